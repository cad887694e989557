/** What is run under Wine. */

/** A program of test cases: it prints TAP and a closing line. */
export interface Suite {
  readonly name: string;
  /** Its file, from the root of the checkout. */
  readonly entry: string;
  readonly args: readonly string[];
  /** For node.exe. */
  readonly flags: readonly string[];
  /** After this time it hangs. */
  readonly seconds: number;
}

export const SUITES: readonly Suite[] = [
  { name: "simulator", entry: "test/windows/run.ts", args: [], flags: ["--expose-gc"], seconds: 300 },
  {
    name: "windows",
    entry: "test/conformance/run.ts",
    args: ["--subject", "windows"],
    flags: ["--expose-gc"],
    seconds: 600,
  },
  {
    name: "mixed",
    entry: "test/conformance/run.ts",
    // The simulator carries no packets of a tunnel.
    args: ["--subject", "mixed", "--groups", "control packets"],
    flags: ["--expose-gc"],
    seconds: 120,
  },
  {
    name: "userspace",
    entry: "test/conformance/run.ts",
    args: ["--subject", "userspace"],
    flags: ["--expose-gc"],
    seconds: 300,
  },
];
