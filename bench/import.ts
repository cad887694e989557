/**
 * What importing the built package costs over an empty Node: time and memory, on this machine.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { limitRow, median, type Row } from "./rows.ts";

const ROUNDS = 15;
const LIMIT_MS = 60;
const LIMIT_MB = 15;

/** Written at the end of both programs. */
const TELL = "process.stdout.write(String(process.memoryUsage.rss()));\n";

interface Start {
  readonly ms: number;
  readonly mb: number;
}

function start(file: string): Start {
  const before = process.hrtime.bigint();
  const rss = Number(execFileSync(process.execPath, [file], { encoding: "utf8" }));
  return { ms: Number(process.hrtime.bigint() - before) / 1e6, mb: rss / 1e6 };
}

/** Starts an empty program and one that imports, in turn; medians. */
export function importRows(entry: URL): Row[] {
  const folder = mkdtempSync(join(tmpdir(), "dcokit-bench-"));
  try {
    const [empty, full] = [join(folder, "empty.mjs"), join(folder, "import.mjs")];
    writeFileSync(empty, TELL);
    writeFileSync(full, `import ${JSON.stringify(pathToFileURL(entry.pathname).href)};\n${TELL}`);
    const rounds = Array.from({ length: ROUNDS }, () => ({ empty: start(empty), full: start(full) }));
    const row = (name: string, field: keyof Start, most: number) => {
      const [with_, without] = [
        median(rounds.map(({ full }) => full[field])),
        median(rounds.map(({ empty }) => empty[field])),
      ];
      const against = "an empty program";
      return limitRow(name, field === "ms" ? "ms" : "MB", with_, without, against, {
        most,
        of: with_ - without,
      });
    };
    return [row("import, time", "ms", LIMIT_MS), row("import, memory", "mb", LIMIT_MB)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
