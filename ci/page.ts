/** What programs write into a page of docs: tables, between two comments that say who wrote them. */
import { readFileSync, writeFileSync } from "node:fs";

/** Replaces what stands between two lines of a page. */
export function writeSection(page: string, begin: string, end: string, text: string): void {
  const before = readFileSync(page, "utf8");
  const from = before.indexOf(begin);
  const to = before.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${page} has no place for it (${begin})`);
  writeFileSync(page, `${before.slice(0, from + begin.length)}\n${text}\n${before.slice(to)}`);
}

/** A table in Markdown. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(heads), `|${heads.map(() => "---|").join("")}`, ...rows.map(line)].join("\n");
}
