/**
 * A run of the suite over several subjects: TAP, a summary, and a matrix.
 */
import { writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { Capabilities } from "../../src/core/capabilities.ts";
import type { Case } from "./case.ts";
import { type CaseResult, caseName, Runner } from "./runner.ts";
import type { Subject } from "./world.ts";

/** A subject that is opened when its turn comes, and the cases for it. */
export interface Round {
  /** Opens the subject, when its turn has come. */
  readonly open: () => Promise<Subject>;
  readonly cases: readonly Case[];
  /** The subject's, so that names of cases are known before it is opened. */
  readonly variant?: string | undefined;
  /** Why it cannot be opened here, so that its cases are skipped. */
  readonly missing?: () => Promise<string | undefined>;
}

/** What a subject did. */
export interface SubjectReport {
  readonly subject: string;
  readonly version: string;
  readonly capabilities: Capabilities;
  readonly cases: readonly CaseResult[];
}

/** The matrix, as `--json` writes it. */
export interface ConformanceReport {
  readonly subjects: readonly SubjectReport[];
}

/** How to run. */
export interface RunOptions {
  /** Only cases whose name, with group and variant, contains this. */
  readonly filter?: string | undefined;
  /** A file for the matrix. */
  readonly json?: string | undefined;
  /** Takes the lines of TAP. Default: `console.log`. */
  readonly print?: (line: string) => void;
  /** What this run leaves out, a sentence each. */
  readonly notRun?: readonly string[];
}

/** What came of it. */
export interface RunResult {
  readonly report: ConformanceReport;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Runs the cases of all rounds, one after the other. A subject that cannot be opened ends it by an error. */
export async function runConformance(
  rounds: readonly Round[],
  { filter = "", json, print = console.log, notRun = [] }: RunOptions = {},
): Promise<RunResult> {
  const runner = new Runner(print);
  const subjects: SubjectReport[] = [];
  const summary: string[] = [];
  print("TAP version 14");
  for (const { open, cases: all, variant, missing } of rounds) {
    const cases = all.filter((each) => caseName(each, variant).includes(filter));
    if (cases.length === 0) continue;
    const reason = await missing?.();
    if (reason !== undefined) {
      runner.skip(cases, variant, reason);
      continue;
    }
    const subject = await open();
    try {
      for (const line of subject.description) print(`# ${line}`);
      const results = await runner.run(subject, cases);
      addTo(subjects, subject, results);
      summary.push(...summarise(subject, results));
    } finally {
      await subject.close();
    }
  }
  print(`1..${runner.results.length}`);
  for (const line of [...summary, ...notRun.map((what) => `not run: ${what}`)]) print(`# ${line}`);
  const report = { subjects };
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  const count = (wanted: CaseResult["result"]) =>
    runner.results.filter(({ result }) => result === wanted).length;
  const [passed, failed, skipped] = [count("pass"), count("fail"), count("skip")];
  // Anything that reads the output finds the counts in the last line.
  print(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return { report, passed, failed, skipped };
}

/** Rounds of one subject are one row, unless it can do other things in each. */
function addTo(subjects: SubjectReport[], subject: Subject, results: readonly CaseResult[]): void {
  const { name, version, capabilities } = subject;
  const at = subjects.findIndex(
    (each) =>
      each.subject === name && each.version === version && isDeepStrictEqual(each.capabilities, capabilities),
  );
  const before = subjects[at];
  if (before) subjects[at] = { ...before, cases: [...before.cases, ...results] };
  else subjects.push({ subject: name, version, capabilities, cases: results });
}

function summarise(subject: Subject, results: readonly CaseResult[]): string[] {
  const lines = [`subject ${subject.name}, ${subject.version}`, ...subject.description];
  lines.push(`capabilities: ${JSON.stringify(subject.capabilities)}`);
  for (const { name, result, reason } of results) {
    if (result === "skip") lines.push(`skipped: ${name}: ${reason}`);
  }
  return lines;
}
