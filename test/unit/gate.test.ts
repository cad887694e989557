import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ClosingLine } from "../../ci/gate/closing-line.ts";
import { FAULT, type MachineEnd, OUT_OF_MEMORY, repeatIfMachineFails } from "../../ci/gate/repeat.ts";

/** What a runner printed, and how it ended. */
function told(lines: readonly string[], errors: readonly string[], problem?: string) {
  const printed: string[] = [];
  const counted = new ClosingLine((line) => printed.push(line));
  for (const line of lines) counted.lines.onLine(line);
  for (const line of errors) counted.lines.onErrorLine(line);
  const result = counted.result({ status: problem === undefined ? 0 : 1, problem });
  return { printed, result, isCutOff: counted.isCutOff };
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

test("a runner is cut off if it had begun on a kernel, and neither counted nor gave up", () => {
  expect(told(CASES, []).isCutOff).toBe(true);
  expect(told(CASES.slice(0, 1), []).isCutOff).toBe(true);
  expect(told([], ["curl: could not resolve"]).isCutOff).toBe(false);
  expect(told([...CASES, "Bail out! no driver"], []).isCutOff).toBe(false);
  expect(told([...CASES, "0 passed, 0 failed, 1 skipped"], []).isCutOff).toBe(false);
});

/** Runs the machines in turn. */
async function repeated(hasKnownFaults: boolean, ...ends: MachineEnd[]) {
  const printed: string[] = [];
  let runs = 0;
  const result = await repeatIfMachineFails(
    async () => ends[runs++] ?? expect.unreachable("one machine more"),
    hasKnownFaults,
    (line) => printed.push(line),
  );
  return { result, runs, printed };
}

const good = { passed: 2, failed: 0, skipped: 1 };

/** A machine that failed for this reason. */
function failedMachine(reason: string) {
  const lastWords = [`vm: ${reason}`, "vm: the last lines of the guest's console:", "  | a"];
  return { status: 125, isCutOff: true, result: { passed: 0, failed: 1, skipped: 0, note: "x", lastWords } };
}

const QEMU = "qemu failed (status 139; its messages are above)";
const ofMachine: MachineEnd = failedMachine(QEMU);
const ofKernel = failedMachine(`${FAULT}: kernel BUG at lib/list_debug.c:62!`);

test("cases are run once, where the machine lives, whatever they say", async () => {
  const failed = { passed: 1, failed: 1, skipped: 0, failures: ["keys: one"] };
  for (const end of [
    { status: 0, isCutOff: false, result: good },
    { status: 1, isCutOff: false, result: failed },
    { ...ofMachine, status: 124 },
    { ...ofMachine, status: null },
  ])
    expect(await repeated(true, end)).toEqual({ result: end.result, runs: 1, printed: [] });
});

test("they are not run again if one had failed before the machine did, or if all came to their end", async () => {
  const failedBefore = { ...ofMachine.result, failures: ["keys: one"] };
  for (const end of [
    { ...ofMachine, result: failedBefore },
    { ...ofKernel, isCutOff: false },
  ])
    expect(await repeated(true, end)).toEqual({ result: end.result, runs: 1, printed: [] });
});

test("they are not run again where they may be why: no memory, or a fault of a kernel that is not known for it", async () => {
  const noMemory = failedMachine(`${OUT_OF_MEMORY}: --memory gives it more than 1024 MiB`);
  for (const [hasKnownFaults, end] of [
    [true, noMemory],
    [false, noMemory],
    [false, ofKernel],
  ] as const)
    expect(await repeated(hasKnownFaults, end)).toEqual({ result: end.result, runs: 1, printed: [] });
});

test("they are run again, once, where the machine failed, and the result says so", async () => {
  for (const [hasKnownFaults, end, reason] of [
    [false, ofMachine, QEMU],
    [true, ofMachine, QEMU],
    [true, ofKernel, `${FAULT}: kernel BUG at lib/list_debug.c:62!`],
  ] as const) {
    const told = `the first machine failed (${reason}), and all was run again`;
    const again = await repeated(hasKnownFaults, end, { status: 0, isCutOff: false, result: good });
    expect(again).toMatchObject({ result: { ...good, note: told }, runs: 2 });
    expect(again.printed).toHaveLength(1);
    const twice = await repeated(hasKnownFaults, end, end);
    expect(twice.result).toMatchObject({ failed: 1, note: `x; ${told}` });
    expect(twice.result.lastWords).toEqual(["in the second machine:", ...(end.result.lastWords ?? [])]);
    expect(twice.runs).toBe(2);
  }
});

test("the reasons are those that ci/vm gives", () => {
  const verdict = readFileSync(new URL("../../ci/vm/verdict.sh", import.meta.url), "utf8");
  for (const reason of [FAULT, OUT_OF_MEMORY]) expect(verdict).toContain(`problem "${reason}: `);
});
