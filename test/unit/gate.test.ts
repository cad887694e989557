import { expect, test } from "vitest";
import { ClosingLine } from "../../ci/gate/closing-line.ts";
import { repeatIfMachineFails } from "../../ci/gate/repeat.ts";
import type { SuiteResult } from "../../ci/gate/result.ts";

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

/** Runs the machines in turn. */
async function repeated(...ends: { status: number | null; result: SuiteResult }[]) {
  const printed: string[] = [];
  let runs = 0;
  const result = await repeatIfMachineFails(
    async () => ends[runs++] ?? expect.unreachable("one machine more"),
    (line) => printed.push(line),
  );
  return { result, runs, printed };
}

const good = { passed: 2, failed: 0, skipped: 1 };
const ofMachine = {
  status: 125,
  result: {
    passed: 0,
    failed: 1,
    skipped: 0,
    note: "x",
    lastWords: ["vm: out of memory", "vm: the last lines of the guest's console:", "  | a"],
  },
};

test("cases are run once, where the machine lives, whatever they say", async () => {
  const failed = { passed: 1, failed: 1, skipped: 0, failures: ["keys: one"] };
  for (const end of [
    { status: 0, result: good },
    { status: 1, result: failed },
    { status: 124, result: ofMachine.result },
    { status: null, result: ofMachine.result },
  ])
    expect(await repeated(end)).toEqual({ result: end.result, runs: 1, printed: [] });
});

test("they are not run again if one had failed before the machine did", async () => {
  const result = { ...ofMachine.result, failures: ["keys: one"] };
  expect(await repeated({ status: 125, result })).toEqual({ result, runs: 1, printed: [] });
});

test("they are run again, once, where the machine failed, and the result says so", async () => {
  const told = "the first machine failed (out of memory), and all was run again";
  const again = await repeated(ofMachine, { status: 0, result: good });
  expect(again).toMatchObject({ result: { ...good, note: told }, runs: 2 });
  expect(again.printed).toHaveLength(1);
  const twice = await repeated(ofMachine, ofMachine);
  expect(twice.result).toMatchObject({ failed: 1, note: `x; ${told}` });
  expect(twice.result.lastWords).toEqual(["in the second machine:", ...ofMachine.result.lastWords]);
  expect(twice.runs).toBe(2);
});
