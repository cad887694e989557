import { expect, test } from "vitest";
import { ClosingLine } from "../../ci/gate/closing-line.ts";

/** What a runner printed, and how it ended. */
function told(lines: readonly string[], errors: readonly string[], problem?: string) {
  const printed: string[] = [];
  const counted = new ClosingLine((line) => printed.push(line));
  for (const line of lines) counted.lines.onLine(line);
  for (const line of errors) counted.lines.onErrorLine(line);
  return { printed, result: counted.result({ status: problem === undefined ? 0 : 1, problem }) };
}

const CASES = [
  "# kernel 6.1.0-50-amd64",
  "TAP version 14",
  "ok 1 - keys: one # time=3ms",
  "ok 2 - keys: two # SKIP not here",
];

test("a runner's counts, kernel and skipped cases are its result, and its lines are printed but for the last", () => {
  const { printed, result } = told([...CASES, "1 passed, 0 failed, 1 skipped"], ["hello"]);
  expect(result).toEqual({
    ...{ passed: 1, failed: 0, skipped: 1, kernel: "6.1.0-50-amd64" },
    ...{ omitted: ["skipped: keys: two: not here"], failures: [] },
  });
  expect(printed).toEqual([...CASES, "hello"]);
});

test("where the counts are missing, the result has the last case and the last lines of standard error", () => {
  const errors = Array.from({ length: 200 }, (_, at) => `error ${at}`);
  const { result } = told(CASES, errors, "it ended with status 125");
  expect(result).toMatchObject({
    passed: 0,
    failed: 1,
    note: "it printed no counts: it ended with status 125",
  });
  expect(result.lastWords).toEqual(["the last case that ended: keys: two", ...errors.slice(-80)]);
  expect(told(["# kernel 6.1"], [], "it ended with SIGKILL").result.lastWords).toEqual(["no case ended"]);
});

test("a runner that ends badly after good counts has failed, and the result tells why", () => {
  const { result } = told([...CASES, "1 passed, 0 failed, 1 skipped"], ["BUG: "], "it ended with status 125");
  expect(result).toMatchObject({
    passed: 1,
    failed: 1,
    note: "no case failed, but it ended with status 125",
  });
  expect(result.lastWords).toEqual(["the last case that ended: keys: two", "BUG: "]);
});

test("failed cases are told by name, without last words", () => {
  const { result } = told(
    [...CASES, "not ok 3 - keys: three # time=1ms", "1 passed, 1 failed, 1 skipped"],
    ["x"],
    "it ended",
  );
  expect(result).toMatchObject({ passed: 1, failed: 1, failures: ["keys: three"] });
  expect(result.lastWords).toBeUndefined();
});

test("counts that something follows do not count, nor do those of no case", () => {
  expect(told(["1 passed, 0 failed", "more"], []).result).toMatchObject({ passed: 0, failed: 1 });
  expect(told(["0 passed, 0 failed"], []).result).toMatchObject({ failed: 1, note: "no case was run" });
});
