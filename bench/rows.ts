/**
 * What the bench tells: rows, targets, the table.
 */

/** One measured quantity. Rates are compared as value / reference, and more is better; delays by difference. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  /** The same of what it is compared with in the same run; null where there is nothing to compare with. */
  readonly reference: number | null;
  /** value / reference. */
  readonly ratio: number | null;
  /** What it is compared with. */
  readonly against: string;
  /** What is aimed at, in words, and whether it was reached in this run. */
  readonly target?: string;
  readonly met?: boolean;
  /** What `value` and `reference` are the medians of. */
  readonly rounds?: { readonly value: readonly number[]; readonly reference: readonly number[] };
}

/** The least ratio of rates for each phase. */
const RATES: Readonly<Record<string, number>> = {
  add: 1,
  keys: 1,
  swap: 1,
  list: 0.8,
  statistics: 0.8,
  remove: 4,
  single: 0.4,
};

/** Milliseconds that the loop's 99th percentile may be above the idle loop's. */
const LOOP_MS = 20;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** A rate against the C program's; the first word of the phase's name finds the target. */
export function rateRow(
  phase: string,
  unit: string,
  value: readonly number[],
  reference: readonly number[],
): Row {
  const least = RATES[phase.split(" ")[0] as string];
  const [ours, theirs] = [median(value), median(reference)];
  const ratio = ours / theirs;
  return {
    name: phase,
    unit,
    value: ours,
    reference: theirs,
    ratio,
    against: "C, one by one",
    ...(least !== undefined && { target: `ratio >= ${least}`, met: ratio >= least }),
    rounds: { value, reference },
  };
}

/** The loop's delay in a phase against the idle loop's. */
export function loopRow(phase: string, value: readonly number[], idle: readonly number[]): Row {
  const [ours, theirs] = [median(value), median(idle)];
  return {
    name: `loop delay p99, ${phase}`,
    unit: "ms",
    value: ours,
    reference: theirs,
    ratio: ours / theirs,
    against: "idle loop",
    target: `<= idle + ${LOOP_MS} ms`,
    met: ours <= theirs + LOOP_MS,
    rounds: { value, reference: idle },
  };
}

/** A quantity that is to stay below a limit, where there is one. */
export function limitRow(
  name: string,
  unit: string,
  value: number,
  reference: number | null,
  against: string,
  limit?: { readonly most: number; readonly of: number },
): Row {
  return {
    name,
    unit,
    value,
    reference,
    ratio: reference === null ? null : value / reference,
    against,
    ...(limit && { target: `<= ${limit.most} ${unit}${reference === null ? "" : " more"}` }),
    ...(limit && { met: limit.of <= limit.most }),
  };
}

/** The rows as Markdown. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    row.unit,
    number(row.value),
    row.reference === null ? "" : number(row.reference),
    row.ratio === null ? "" : row.ratio.toFixed(2),
    row.against,
    row.target === undefined ? "" : `${row.target}: ${row.met ? "met" : "**not met**"}`,
  ]);
  const head = ["what", "unit", "dcokit", "reference", "ratio", "reference is", "target"];
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.map((cell, i) => pad(cell, widths[i], i)).join(" | ")} |`;
  const rule = widths.map((width, i) => (isNumber(i) ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  return [line(head), line(rule), ...cells.map(line)].join("\n");
}

function isNumber(column: number): boolean {
  return column >= 2 && column <= 4;
}

function pad(cell: string, width = 0, column = 0): string {
  return isNumber(column) ? cell.padStart(width) : cell.padEnd(width);
}

function number(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
