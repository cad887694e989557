/**
 * The matrix of kernels, as `npm run test:kernels` writes it into docs/conformance.md.
 */
import { expect, test } from "vitest";
import { matrix } from "../../ci/kernels/matrix.ts";
import { type Column, countCases, type KernelResult } from "../../ci/kernels/results.ts";

const counted = countCases([
  { name: "driver: opens", result: "pass" },
  { name: "driver: closes: again", result: "fail", reason: "Error: no\n  at line 1" },
  { name: "float: moves", result: "skip", reason: "peers do not float" },
  { name: "float (over TCP): moves", result: "pass" },
]);

const result: KernelResult = {
  name: "7.2",
  version: "7.2.12+deb13-amd64",
  suite: "trixie-backports",
  module: "ovpn 7.2.12",
  date: "2026-11-21",
  seconds: 720,
  ...counted,
  capabilities: { modes: ["p2p"], txId: true },
};

test("cases are counted by group, and by variant apart", () => {
  expect(counted).toEqual({
    groups: { driver: [1, 1, 0], float: [0, 0, 1], "float (over TCP)": [1, 0, 0] },
    failures: ["driver: closes: again: Error: no"],
    skips: { "peers do not float": 1 },
  });
});

test("a kernel that was not run says so, and one that is gone why", () => {
  const columns: Column[] = [
    { name: "7.0", version: "7.0.13", suite: "trixie-backports", missing: "no linux-modules-7.0.13" },
    { name: "7.1", version: "7.1.2", suite: "sid", missing: undefined },
    { ...result, missing: undefined, result },
  ];
  const lines = matrix(columns).split("\n");
  expect(lines).toContain(
    "| 7.0 | `7.0.13` | trixie-backports |  | **cannot be had**: no linux-modules-7.0.13 |  |",
  );
  expect(lines).toContain("| 7.1 | `7.1.2` | sid |  | **not run** |  |");
  expect(lines).toContain("| driver | gone | not run | 1, **1 failed** |");
  expect(lines).toContain("| float | gone | not run | 0 (1) |");
  expect(lines).toContain("| **all** | gone | not run | 2, **1 failed** (1) |");
  expect(lines).toContain("- 7.2: driver: closes: again: Error: no");
});

test("capabilities stand where kernels differ in them, and nowhere else", () => {
  const older = { ...result, name: "6.16", capabilities: { modes: ["p2p"], txId: false } };
  const text = matrix([older, result].map((each) => ({ ...each, missing: undefined, result: each })));
  expect(text).toContain("| `txId` | `false` | `true` |");
  expect(text).not.toContain("`modes`");
  expect(text).toContain("| peers do not float | 6.16: 1, 7.2: 1 |");
});

test("a run that broke off says so beside its counts", () => {
  const broken = { ...result, problem: "it ended with status 125" };
  expect(matrix([{ ...broken, missing: undefined, result: broken }])).toContain(
    "| 2 passed, 1 failed, 1 skipped; it ended with status 125 | 2026-11-21, 12 min |",
  );
});
