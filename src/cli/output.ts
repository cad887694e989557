/**
 * Where a command writes: tables and sentences for people, or JSON for programs.
 */
import { printable } from "../core/compatibility/parse.ts";

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | bigint | undefined;
  /** Numbers stand at the right. */
  readonly right?: boolean;
}

/** Takes text, and says when it has been handed on. */
export type Write = (text: string) => void;

/** See the module's comment. */
export class Output {
  readonly json: boolean;
  /** The output is a terminal, which may be redrawn. */
  readonly terminal: boolean;
  readonly #out: Write;
  readonly #err: Write;

  constructor(options: { json: boolean; terminal: boolean; out: Write; err: Write }) {
    this.json = options.json;
    this.terminal = options.terminal;
    this.#out = options.out;
    this.#err = options.err;
  }

  /** For people only. */
  line(text = ""): void {
    if (!this.json) this.#out(`${text}\n`);
  }

  /** For programs only: one value on one line. */
  value(value: unknown): void {
    if (this.json) this.#out(`${toJson(value)}\n`);
  }

  /** A table for people, the rows for programs. */
  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], none: string): void {
    this.value(rows);
    if (rows.length === 0) this.line(none);
    else for (const line of formatTable(rows, columns)) this.line(line);
  }

  /** As it is, whatever the form: help, scripts for completion. */
  raw(text: string): void {
    this.#out(text);
  }

  /** To standard error. */
  note(text: string): void {
    this.#err(`${text}\n`);
  }
}

/** The lines of a table. What comes from elsewhere cannot move the cursor. */
export function formatTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string[] {
  const cells = rows.map((row) => columns.map(({ value }) => printable(String(value(row) ?? "-"))));
  const widths = columns.map(({ title }, at) =>
    Math.max(title.length, ...cells.map((line) => (line[at] as string).length)),
  );
  const format = (line: readonly string[]) =>
    line
      .map((cell, at) =>
        columns[at]?.right ? cell.padStart(widths[at] as number) : cell.padEnd(widths[at] as number),
      )
      .join("  ")
      .trimEnd();
  return [format(columns.map(({ title }) => title.toUpperCase())), ...cells.map(format)];
}

/** JSON with counters as numbers, however large. */
export function toJson(value: unknown): string {
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  return JSON.stringify(value, (_, each) => (typeof each === "bigint" ? rawJSON(String(each)) : each));
}
