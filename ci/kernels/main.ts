/**
 * `npm run test:kernels`: the behaviour suite on every kernel that Debian's package index has, and on the out-of-tree
 * module. Writes the matrix of docs/conformance.md. Exit status 0 only if nothing failed.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runInMachine } from "../gate/machine.ts";
import { inRoot } from "../paths.ts";
import { writeMatrix } from "./matrix.ts";
import { Progress } from "./progress.ts";
import {
  type Column,
  countCases,
  type KernelResult,
  keepResults,
  type Report,
  readResults,
} from "./results.ts";
import { findTargets, type Target } from "./targets.ts";

const USAGE = `usage: npm run test:kernels [-- [PATTERN] [--groups NAME,...] [--json FILE] [--list]]
  PATTERN   only kernels whose name, version or suite holds it, such as 7.2, sid or ovpn-dco-v2
  --groups  only these groups of cases; then docs/conformance.md stays as it is
  --json    writes the results to a file
  --list    only says which kernels there are`;

/** Seconds that a kernel gets: an emulated machine on a busy host takes several times what an idle one does. */
const TIMEOUT = 5400;

function options() {
  try {
    const { values, positionals } = parseArgs({
      options: { json: { type: "string" }, groups: { type: "string" }, list: { type: "boolean" } },
      allowPositionals: true,
    });
    if (positionals.length > 1) throw new Error("more than one pattern");
    return { ...values, pattern: positionals[0] ?? "" };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

async function main(): Promise<number> {
  const { pattern, groups, json, list } = options();
  const missing = process.env["DCOKIT_MISSING"] || process.env["DCOKIT_MISSING_WHY"];
  if (missing) throw new Error(`NOT RUN. No virtual machine can be started: ${missing}`);
  const targets = await findTargets();
  const matching = targets.filter(({ name, version, suite }) =>
    [name, version, suite].some((text) => text.includes(pattern)),
  );
  for (const { name, version, suite, missing: why } of matching) {
    console.log(`# ${name}: ${version} in ${suite}${why ? `: cannot be had, ${why}` : ""}`);
  }
  const wanted = matching.filter((target) => target.missing === undefined);
  if (wanted.length === 0) throw new Error(`no kernel fits '${pattern}'`);
  if (list) return 0;
  const progress = new Progress(
    wanted.map(({ name }) => name),
    readResults(),
  );
  const results: KernelResult[] = [];
  for (const target of wanted) {
    progress.begin(target.name);
    const result = await runOn(target, groups, progress);
    results.push(result);
    progress.end(result);
    // At once, so that what was run is not lost with what comes.
    if (groups === undefined) writeMatrix(columnsOf(targets, keepResults([result])));
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, undefined, 2)}\n`);
  const count = (at: 0 | 1 | 2) =>
    results.flatMap(({ groups: all }) => Object.values(all)).reduce((sum, counts) => sum + counts[at], 0);
  const problems = results.filter(({ problem }) => problem !== undefined).length;
  console.log(`${count(0)} passed, ${count(1) + problems} failed, ${count(2)} skipped`);
  return count(1) + problems > 0 || count(0) === 0 ? 1 : 0;
}

/** Kernels as the index has them now, each with its last result; then results of those that it has no more. */
function columnsOf(targets: readonly Target[], results: readonly KernelResult[]): Column[] {
  const resultOf = (name: string) => results.find((result) => result.name === name);
  const there = targets.map((target) => {
    const result = resultOf(target.name);
    return result ? { ...target, result } : target;
  });
  const names = new Set(targets.map(({ name }) => name));
  const gone = results.filter(({ name }) => !names.has(name));
  return [...there, ...gone.map((result) => ({ ...result, missing: undefined, result }))];
}

async function runOn(target: Target, groups: string | undefined, progress: Progress): Promise<KernelResult> {
  const base = inRoot("build", "kernels");
  mkdirSync(base, { recursive: true });
  const folder = mkdtempSync(join(base, "run-"));
  const started = performance.now();
  try {
    const ended = await runInMachine({
      kernel: target.version,
      suites: target.suites,
      legacy: target.legacy,
      share: [folder, "/run/dcokit-result"],
      arguments: ["--json", "/run/dcokit-result/report.json", ...(groups ? ["--groups", groups] : [])],
      seconds: TIMEOUT,
      onLine: (line) => progress.line(line),
    });
    const { name, version, suite } = target;
    const seconds = Math.round((performance.now() - started) / 1000);
    const date = new Date().toISOString().slice(0, 10);
    const report = readReport(join(folder, "report.json"));
    const cases = report?.subjects.flatMap((subject) => subject.cases) ?? progress.cases;
    const counted = countCases(cases);
    const [subject] = report?.subjects ?? [];
    const isOver = report !== undefined && (ended.problem === undefined || counted.failures.length > 0);
    return {
      name,
      version,
      suite,
      module: subject?.version ?? "",
      date,
      seconds,
      ...counted,
      capabilities: subject?.capabilities ?? {},
      ...(!isOver && { problem: ended.problem ?? "it wrote no report" }),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Report;
  } catch {
    return undefined;
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`test:kernels: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
