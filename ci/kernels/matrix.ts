/** The matrix of kernels in docs/conformance.md. */
import { table, writeSection } from "../page.ts";
import { inRoot } from "../paths.ts";
import type { Column, Counts, KernelResult } from "./results.ts";

const PAGE = inRoot("docs", "conformance.md");
const BEGIN = "<!-- kernels: written by npm run test:kernels -->";
const END = "<!-- end of kernels -->";

/** Puts the matrix into the page. */
export function writeMatrix(columns: readonly Column[]): void {
  writeSection(PAGE, BEGIN, END, matrix(columns));
}

/** The tables: kernels, then cases by group and kernel, then what differs. */
export function matrix(columns: readonly Column[]): string {
  const parts = [kernels(columns), groups(columns), differences(columns), skipped(columns), failed(columns)];
  return parts.filter((part) => part !== "").join("\n\n");
}

function kernels(columns: readonly Column[]): string {
  const rows = columns.map(({ name, version, suite, missing, result }) => {
    const kernel = [name, `\`${result?.version ?? version}\``, suite];
    if (!result) return [...kernel, "", missing ? `**cannot be had**: ${missing}` : "**not run**", ""];
    const [passed, failures, skips] = total(result);
    const counts = `${passed} passed, ${failures} failed, ${skips} skipped`;
    const problem = result.problem ? `; ${result.problem}` : "";
    return [
      ...kernel,
      result.module,
      counts + problem,
      `${result.date}, ${Math.round(result.seconds / 60)} min`,
    ];
  });
  return table(["kernel", "version", "Debian", "module", "result", "run"], rows);
}

function groups(columns: readonly Column[]): string {
  const names = [...new Set(columns.flatMap(({ result }) => Object.keys(result?.groups ?? {})))];
  const cell = ({ missing, result }: Column, group: string) => {
    if (!result) return missing ? "gone" : "not run";
    const counts = result.groups[group];
    return counts ? show(counts) : "not run";
  };
  const rows = names.map((group) => [group, ...columns.map((column) => cell(column, group))]);
  const all = columns.map(({ missing, result }) =>
    result ? show(total(result)) : missing ? "gone" : "not run",
  );
  const heads = ["cases: passed (skipped)", ...columns.map(({ name }) => name)];
  return table(heads, [...rows, ["**all**", ...all]]);
}

function show([passed, failures, skips]: Counts): string {
  return `${passed}${failures > 0 ? `, **${failures} failed**` : ""}${skips > 0 ? ` (${skips})` : ""}`;
}

/** Capabilities, as each driver found them, that are not the same on all kernels. */
function differences(columns: readonly Column[]): string {
  const run = columns.flatMap(({ result }) => result ?? []);
  const names = [...new Set(run.flatMap(({ capabilities }) => Object.keys(capabilities)))];
  const text = (value: unknown) => (value === undefined ? "" : `\`${JSON.stringify(value)}\``);
  const rows = names
    .map((name) => [`\`${name}\``, ...run.map(({ capabilities }) => text(capabilities[name]))])
    .filter(([, ...values]) => new Set(values).size > 1);
  if (rows.length === 0) return "";
  const heads = ["capability, where kernels differ", ...run.map(({ name }) => name)];
  return table(heads, rows);
}

function skipped(columns: readonly Column[]): string {
  const rows = columns.flatMap(({ result }) =>
    result
      ? Object.entries(result.skips).map(([reason, count]) => [reason, result.name, count] as const)
      : [],
  );
  const byReason = new Map<string, string[]>();
  for (const [reason, name, count] of rows) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), `${name}: ${count}`]);
  }
  if (byReason.size === 0) return "";
  return table(
    ["skipped because", "cases"],
    [...byReason].map(([reason, cases]) => [reason, cases.join(", ")]),
  );
}

function failed(columns: readonly Column[]): string {
  const lines = columns.flatMap(({ result }) =>
    (result?.failures ?? []).map((failure) => `- ${result?.name}: ${failure}`),
  );
  return lines.length === 0 ? "" : `Failed:\n\n${lines.join("\n")}`;
}

function total({ groups: all }: KernelResult): Counts {
  const sum = (at: 0 | 1 | 2) => Object.values(all).reduce((count, counts) => count + counts[at], 0);
  return [sum(0), sum(1), sum(2)];
}
