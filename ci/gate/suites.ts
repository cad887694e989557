/** The suites of `npm test`. Each runs, prints as it goes, and returns its counts. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { inRoot } from "../paths.ts";
import { ClosingLine } from "./closing-line.ts";
import { type MachineRun, runInMachine } from "./machine.ts";
import { run } from "./process.ts";
import { broken, type SuiteResult } from "./result.ts";
import type { Print } from "./side-by-side.ts";

const node = process.execPath;
const tool = (...path: string[]) => inRoot("node_modules", ...path);

/** Types, format and lint, the build, and that the API reference can be made of what is exported. */
export async function staticChecks(): Promise<SuiteResult> {
  const checks: [name: string, args: string[]][] = [
    ["types (tsc)", [tool("typescript", "bin", "tsc"), "--noEmit"]],
    ["format and lint (biome)", [tool("@biomejs", "biome", "bin", "biome"), "check", "."]],
    ["build", [inRoot("ci", "build.ts")]],
    ["API reference (typedoc)", [inRoot("ci", "api-docs.ts"), "--check"]],
  ];
  const failures: string[] = [];
  for (const [name, args] of checks) {
    const { problem } = await run(node, args, { seconds: 300 });
    console.log(`${problem === undefined ? "ok" : "not ok"} - ${name}`);
    if (problem !== undefined) failures.push(name);
  }
  const counts = { passed: checks.length - failures.length, failed: failures.length, skipped: 0 };
  return { ...counts, failures };
}

/** The part of vitest's JSON report that is read here. */
interface VitestReport {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** test/unit, by vitest. */
export async function unitTests(): Promise<SuiteResult> {
  const report = inRoot("build", "vitest.json");
  mkdirSync(inRoot("build"), { recursive: true });
  rmSync(report, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const { problem } = await run(node, [tool("vitest", "vitest.mjs"), "run", ...reporters], { seconds: 600 });
  if (!existsSync(report)) return broken(`vitest wrote no report: ${problem ?? "status 0"}`);
  const counted = JSON.parse(readFileSync(report, "utf8")) as VitestReport;
  // A file that could not be loaded has no test to fail.
  const unloaded = counted.testResults
    .filter(({ status, assertionResults }) => status === "failed" && assertionResults.length === 0)
    .map(({ name }) => `${name} could not be loaded`);
  const passed = counted.numPassedTests;
  const skipped = counted.numPendingTests + counted.numTodoTests;
  const failed = counted.numFailedTests + unloaded.length;
  if (failed === 0 && (problem !== undefined || !counted.success))
    return { passed, failed: 1, skipped, note: `no test failed, but vitest did: ${problem ?? "see above"}` };
  if (passed + failed === 0) return broken("no test was run");
  const tests = counted.testResults.flatMap(({ assertionResults }) => assertionResults);
  const omitted = tests
    .filter(({ status }) => status !== "passed" && status !== "failed")
    .map(({ fullName }) => `skipped: ${fullName}`);
  const failures = tests.filter(({ status }) => status === "failed").map(({ fullName }) => fullName);
  return { passed, failed, skipped, omitted, failures: [...unloaded, ...failures] };
}

/** The package as its users get it. */
export async function packageCheck(): Promise<SuiteResult> {
  const counted = new ClosingLine();
  const ended = await run(node, [inRoot("ci", "check-package.ts")], {
    seconds: 300,
    ...counted.lines,
  });
  return { note: `Node ${process.versions.node}`, ...counted.result(ended) };
}

/** The behaviour cases on the userspace backend, on this machine, without any privilege. */
export async function userspaceBehaviour(): Promise<SuiteResult> {
  const counted = new ClosingLine();
  const command = [node, inRoot("test", "conformance", "run.ts"), "--subject", "userspace,node-sockets"];
  // Root without capabilities may no more than anybody else.
  const unprivileged =
    process.platform === "linux" && process.getuid?.() === 0
      ? ["setpriv", "--inh-caps=-all", "--bounding-set=-all", ...command]
      : command;
  const [program, ...args] = unprivileged as [string, ...string[]];
  const ended = await run(program, args, { seconds: 300, ...counted.lines });
  return counted.result(ended);
}

/** What can be run of Windows under Wine: a simulator driver, and the userspace backend on node.exe. */
export async function wineTests(): Promise<SuiteResult> {
  const counted = new ClosingLine();
  const ended = await run(node, [inRoot("ci", "wine", "main.ts")], {
    seconds: 900,
    ...counted.lines,
  });
  return { note: "a simulator of the driver, not the driver", ...counted.result(ended) };
}

/** Fetches and unpacks what the virtual machines boot. What goes wrong is told when they are started. */
export async function prepareMachines(kernel: string | undefined, legacy: boolean): Promise<void> {
  const prepare = (script: string, which: string) =>
    run("bash", [inRoot("ci", script), which], { seconds: 900, onLine: () => {}, onErrorLine: () => {} });
  await Promise.all([
    kernel !== undefined && prepare("vm/kernel", kernel),
    legacy && prepare("legacy/module", LEGACY_KERNEL),
  ]);
}

/** Cases in a virtual machine. */
async function inMachine(
  what: Pick<MachineRun, "kernel" | "legacy" | "arguments">,
  print: Print,
): Promise<SuiteResult> {
  const counted = new ClosingLine(print);
  return counted.result(await runInMachine({ ...what, seconds: 1500, ...counted.lines }));
}

/** The behaviour cases on a real kernel, in a virtual machine. */
export function behaviour(kernel: string, print: Print): Promise<SuiteResult> {
  return inMachine({ kernel }, print);
}

/** Those groups of the cases that depend on the module; the rest is the same code as on the in-tree one. */
const LEGACY_GROUPS = [
  "driver",
  "adopt",
  "transports",
  "tcp frames",
  "tcp ends",
  "peers",
  "peer settings",
  "keys",
  "statistics",
  "events",
  "float",
];

/** The kernel of Debian 12, where most users of the out-of-tree module are. */
const LEGACY_KERNEL = "6.1";

/** A part of the behaviour cases on the out-of-tree module: `npm run test:kernels` runs all. */
export async function legacyBehaviour(print: Print): Promise<SuiteResult> {
  const what = { kernel: LEGACY_KERNEL, legacy: true, arguments: ["--groups", LEGACY_GROUPS.join()] };
  const { omitted = [], ...result } = await inMachine(what, print);
  const others = `the other groups of cases, which npm run test:kernels -- legacy runs (run: ${LEGACY_GROUPS.join(", ")})`;
  return { ...result, omitted: [...omitted, others] };
}
