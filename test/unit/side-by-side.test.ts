import { expect, test } from "vitest";
import { sideBySide } from "../../ci/gate/side-by-side.ts";

test("jobs run at once, and their outputs come one after the other", async () => {
  const lines: string[] = [];
  const pause = () => new Promise<void>((resolve) => setImmediate(resolve));
  const release: (() => void)[] = [];
  const job = (name: string) => async (print: (line: string) => void) => {
    print(`${name} begins`);
    await new Promise<void>((resolve) => release.push(resolve));
    print(`${name} ends`);
    return name;
  };
  const all = sideBySide(
    [job("a"), job("b"), job("c")],
    (at) => lines.push(`== ${at}`),
    (line) => lines.push(line),
  );
  await pause();
  expect(release.length).toBe(3);
  // The second ends first.
  for (const at of [1, 0, 2]) {
    release[at]?.();
    await pause();
  }
  expect(await all).toEqual(["a", "b", "c"]);
  expect(lines.filter((line) => !line.startsWith("=="))).toEqual([
    "a begins",
    "a ends",
    "b begins",
    "b ends",
    "c begins",
    "c ends",
  ]);
  expect(lines.indexOf("== 1")).toBeGreaterThan(lines.indexOf("a ends"));
});
