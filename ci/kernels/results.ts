/** What the suite's runs on kernels gave; kept, so that one kernel can be run again without the others. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { inRoot } from "../paths.ts";
import type { Target } from "./targets.ts";

/** How many cases of a group passed, failed and were skipped. */
export type Counts = readonly [passed: number, failed: number, skipped: number];

/** One run of the whole suite. */
export interface KernelResult extends Pick<Target, "name" | "version" | "suite"> {
  /** Module and version, as the driver says. */
  readonly module: string;
  /** When it was run, and how long it took. */
  readonly date: string;
  readonly seconds: number;
  readonly groups: Readonly<Record<string, Counts>>;
  /** Names of cases that failed, with the first line of why. */
  readonly failures: readonly string[];
  /** Why cases were skipped, with their number. */
  readonly skips: Readonly<Record<string, number>>;
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** What went wrong besides cases, such as a kernel that crashed; then the counts are those until that. */
  readonly problem?: string;
}

/** A kernel, with its result if there is one. */
export interface Column extends Pick<Target, "name" | "version" | "suite" | "missing"> {
  readonly result?: KernelResult;
}

const FILE = inRoot("docs", "kernels.json");

/** What is known from earlier runs. */
export function readResults(): KernelResult[] {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, "utf8")) as KernelResult[]) : [];
}

/** Replaces the results of the same kernels. */
export function keepResults(fresh: readonly KernelResult[]): KernelResult[] {
  const names = new Set(fresh.map(({ name }) => name));
  const all = [...readResults().filter(({ name }) => !names.has(name)), ...fresh];
  writeFileSync(FILE, `${JSON.stringify(all, undefined, 2)}\n`);
  return all;
}

/** A case as test/conformance/run.ts writes it. */
interface CaseResult {
  readonly name: string;
  readonly result: "pass" | "fail" | "skip";
  readonly reason?: string;
}

/** The report of test/conformance/run.ts. */
export interface Report {
  readonly subjects: readonly {
    readonly version: string;
    readonly capabilities: Readonly<Record<string, unknown>>;
    readonly cases: readonly CaseResult[];
  }[];
}

/** Counts cases by their group; those of a variant are counted apart. */
export function countCases(
  cases: readonly CaseResult[],
): Pick<KernelResult, "groups" | "failures" | "skips"> {
  const groups: Record<string, Counts> = {};
  const failures: string[] = [];
  const skips: Record<string, number> = {};
  for (const { name, result, reason = "" } of cases) {
    const group = name.slice(0, name.indexOf(": "));
    const [passed, failed, skipped] = groups[group] ?? [0, 0, 0];
    groups[group] = [
      passed + Number(result === "pass"),
      failed + Number(result === "fail"),
      skipped + Number(result === "skip"),
    ];
    if (result === "fail") failures.push(`${name}: ${reason.split("\n", 1)[0]}`);
    if (result === "skip") skips[reason] = (skips[reason] ?? 0) + 1;
  }
  return { groups, failures, skips };
}
