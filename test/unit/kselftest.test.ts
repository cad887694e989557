import { describe, expect, it } from "vitest";
import { type ClientResult, type ScriptResult, show, verdict } from "../../ci/kselftest/results.ts";

const GOOD: ClientResult = { passed: 13, failed: 0, seconds: 200 };
const BAD: ClientResult = {
  passed: 2,
  failed: 1,
  seconds: 90,
  problem: "not ok 3 run baseline data traffic",
};

const result = (kernelClient: ClientResult, ourClient: ClientResult): ScriptResult => ({
  kernel: "7.3.4",
  script: "test.sh",
  date: "2026-11-21",
  stretch: 4,
  kernelClient,
  ourClient,
});

describe("a script of the kernel's own tests", () => {
  it.each([
    ["passes with both", GOOD, GOOD, "passed"],
    ["passes with ours only", BAD, GOOD, "passed"],
    ["passes with the kernel's only", GOOD, BAD, "failed"],
    ["passes with neither", BAD, BAD, "skipped"],
    ["has fewer cases with ours", GOOD, { ...GOOD, passed: 12 }, "failed"],
    ["has no cases with ours", GOOD, { ...GOOD, passed: 0 }, "failed"],
    ["does not end with ours", GOOD, { ...GOOD, problem: "no end within 960 s" }, "failed"],
  ] as const)("%s", (_, kernelClient, ourClient, expected) =>
    expect(verdict(result(kernelClient, ourClient))).toBe(expected),
  );

  it("has a line, and all of a kernel's have a sum", () => {
    expect(show([result(GOOD, BAD), { ...result(GOOD, GOOD), script: "test-tcp.sh" }])).toBe(
      [
        "| Linux 7.3.4 | the kernel's client | our client | verdict | run | stretch |",
        "|---|---|---|---|---|---|",
        "| `test.sh` | 13 passed, 200 s | 2 passed, **1 failed** (not ok 3 run baseline data traffic), 90 s | failed | 2026-11-21 | 4 |",
        "| `test-tcp.sh` | 13 passed, 200 s | 13 passed, 200 s | passed | 2026-11-21 | 4 |",
        "| **all** | 26 passed | 15 passed | 1 of 2 |  |  |",
      ].join("\n"),
    );
  });
});
