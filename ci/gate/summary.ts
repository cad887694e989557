/** The end of `npm test`: a table of the suites, what was not run, and the counts in one plain line. */
import type { SuiteResult } from "./result.ts";

/** A line of the table. */
export interface Row extends SuiteResult {
  readonly title: string;
  readonly seconds: number;
}

const heads = ["suite", "passed", "failed", "skipped", "seconds", "kernel", "note"];

/** Prints it; returns the exit status. */
export function printSummary(rows: readonly Row[], notRun: readonly string[]): number {
  const cells = rows.map((row) => [
    row.title,
    String(row.passed),
    String(row.failed),
    String(row.skipped),
    row.seconds.toFixed(1),
    row.kernel ?? "none",
    row.note ?? "",
  ]);
  const table = [heads, ...cells];
  const widths = heads.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0)));
  console.log("\n== summary");
  for (const line of table) {
    const padded = line.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column >= 1 && column <= 4 ? cell.padStart(width) : cell.padEnd(width);
    });
    console.log(padded.join("  ").trimEnd());
  }
  console.log("\nNot run:");
  for (const line of notRun) console.log(`- ${line}`);
  // Last, since the end is what is kept of a long output.
  const broken = rows.filter((row) => row.failed > 0);
  if (broken.length > 0) console.log("\nFailed:");
  for (const { title, failures = [], note, lastWords = [] } of broken) {
    for (const what of failures) console.log(`- ${title}: ${what}`);
    // With no name it is the note that tells what happened, and so it does where the suite did not come to its end.
    if (failures.length === 0 || lastWords.length > 0) console.log(`- ${title}: ${note ?? "see above"}`);
    for (const line of lastWords) console.log(`    ${line}`);
  }
  console.log("");
  const sum = (of: "passed" | "failed" | "skipped") => rows.reduce((total, row) => total + row[of], 0);
  const failed = sum("failed");
  // The form that the CI reads; it must stand alone on the last line.
  console.log(`${sum("passed")} passed, ${failed} failed, ${sum("skipped")} skipped`);
  return failed === 0 && rows.length > 0 ? 0 : 1;
}
