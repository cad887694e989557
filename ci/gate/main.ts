/**
 * `npm test`, after the set-up: runs the suites, then says what was tested, on which kernel, and what was not.
 * Exit status 0 only if nothing failed.
 */
import { parseArgs } from "node:util";
import { broken, type SuiteResult } from "./result.ts";
import { type Print, sideBySide } from "./side-by-side.ts";
import {
  behaviour,
  legacyBehaviour,
  packageCheck,
  prepareMachines,
  staticChecks,
  unitTests,
  userspaceBehaviour,
  wineTests,
} from "./suites.ts";
import { printSummary, type Row } from "./summary.ts";

const usage = `usage: npm test [-- [--only SUITE[,SUITE...]] [KERNEL]]
  --only   of: static, unit, package, userspace, wine, vm, legacy
  KERNEL   the kernel of the virtual machine, such as 7.2; the newest by default`;

const titles = {
  static: "static checks",
  unit: "unit tests",
  package: "package",
  userspace: "behaviour, userspace",
  wine: "Windows, under Wine",
  vm: "behaviour, Linux ovpn",
  legacy: "behaviour, ovpn-dco-v2",
} as const;
type SuiteName = keyof typeof titles;
const names = Object.keys(titles) as SuiteName[];

/** Those in virtual machines run at the same time. */
const IN_MACHINES: readonly SuiteName[] = ["vm", "legacy"];

/** Those in which time is measured: nothing else is done meanwhile. */
const MEASURE_TIME: readonly SuiteName[] = ["userspace", "wine"];

/** What the design names and no suite covers yet. */
const outOfScope = [
  "the pages' examples on a kernel: npm run test:examples",
  "Linux kernels but one, and all of the cases on ovpn-dco-v2: npm run test:kernels",
  "FreeBSD if_ovpn: a kernel has to be given by path (npm run test:freebsd, see ci/freebsd)",
  "Windows ovpn-dco-win: on Windows itself not at all; under Wine, on a simulator, by npm run test:wine",
];

function options(): { only: SuiteName[]; kernel: string } {
  try {
    const { values, positionals } = parseArgs({
      options: { only: { type: "string" } },
      allowPositionals: true,
    });
    if (positionals.length > 1) throw new Error("more than one kernel");
    const only = (values.only ?? names.join(",")).split(",");
    for (const name of only) if (!Object.hasOwn(titles, name)) throw new Error(`no suite ${name}`);
    return { only: only as SuiteName[], kernel: positionals[0] ?? "latest" };
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

/** Why no virtual machine can be started here; undefined where one can. */
function whyNoMachine(): string | undefined {
  const missing = process.env["DCOKIT_MISSING"] ?? "";
  const why = process.env["DCOKIT_MISSING_WHY"] ?? "";
  if (missing !== "") return `Debian packages are missing: ${missing} (${why})`;
  if (why !== "") return why;
  if (process.arch !== "x64") return `the runner boots amd64 kernels, and this machine is ${process.arch}`;
  return undefined;
}

/** The Windows tests: left out, and named so, where Wine cannot be had, with CI=true as well. */
async function wine(): Promise<SuiteResult | { notRun: string }> {
  const missing = process.env["DCOKIT_WINE_MISSING"] ?? "";
  const why = process.env["DCOKIT_WINE_MISSING_WHY"] ?? "";
  if (missing !== "") return { notRun: `Debian packages are missing: ${missing} (${why})` };
  if (why !== "") return { notRun: why };
  if (process.arch !== "x64")
    return { notRun: `Windows' programs are for amd64, and this machine is ${process.arch}` };
  return wineTests();
}

type Ran = SuiteResult | { notRun: string };

async function runSuite(name: SuiteName, kernel: string, print: Print): Promise<Ran> {
  if (name === "static") return staticChecks();
  if (name === "unit") return unitTests();
  if (name === "package") return packageCheck();
  if (name === "userspace") return userspaceBehaviour();
  if (name === "wine") return wine();
  const why = whyNoMachine();
  if (why === undefined) return name === "vm" ? behaviour(kernel, print) : legacyBehaviour(print);
  if (process.env["CI"] === "true") return broken(`no VM, which CI=true demands: ${why}`);
  return process.env["DCOKIT_APT_FAILED"] === "1" ? broken(`no VM: ${why}`) : { notRun: why };
}

const { only, kernel } = options();
// vitest colours its output in a log as well.
if (!process.stdout.isTTY) process.env["NO_COLOR"] = "1";
const rows: Row[] = [];
const notRun: string[] = [];

async function timed(name: SuiteName, print: Print): Promise<{ result: Ran; seconds: number }> {
  const started = performance.now();
  const result = await runSuite(name, kernel, print).catch((error: unknown) => broken(String(error)));
  return { result, seconds: (performance.now() - started) / 1000 };
}

function count(name: SuiteName, { result, seconds }: { result: Ran; seconds: number }): void {
  if ("notRun" in result)
    notRun.push(`${titles[name]}: ${name === "vm" ? "NOT RUN ON ANY KERNEL" : "NOT RUN"}: ${result.notRun}`);
  else {
    rows.push({ ...result, title: titles[name], seconds });
    for (const omitted of result.omitted ?? []) notRun.push(`${titles[name]}: ${omitted}`);
  }
}

for (const name of names.filter((each) => !only.includes(each)))
  notRun.push(`${titles[name]}: left out by --only`);
const preparing =
  whyNoMachine() === undefined
    ? prepareMachines(only.includes("vm") ? kernel : undefined, only.includes("legacy"))
    : undefined;
for (const name of names.filter((each) => only.includes(each) && !IN_MACHINES.includes(each))) {
  if (MEASURE_TIME.includes(name)) await preparing;
  console.log(`\n== ${titles[name]}`);
  count(name, await timed(name, console.log));
}
// A machine by itself leaves much of two processors idle: most cases wait for something.
const machines = IN_MACHINES.filter((each) => only.includes(each));
const ran = await sideBySide(
  machines.map((name) => (print) => timed(name, print)),
  (at) => console.log(`\n== ${titles[machines[at] as SuiteName]}`),
);
for (const [at, each] of ran.entries()) count(machines[at] as SuiteName, each);
process.exitCode = printSummary(rows, [...notRun, ...outOfScope]);
