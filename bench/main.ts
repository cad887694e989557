/**
 * `npm run bench`: prints a table. Targets are shown, never asserted.
 *
 *   npm run bench -- [--json FILE] [--peers N] [--rounds N] [--warm-up N] [--singles N] [--removals N]
 *
 * What needs the kernel runs in a virtual machine unless DCOKIT_RUN_IN=host is set; ci/bench decides.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { importRows } from "./import.ts";
import { type Row, table } from "./rows.ts";
import { userspaceRows } from "./userspace.ts";

/** Seconds for the whole of it in the virtual machine, under emulation. */
const TIMEOUT = 3600;

const root = fileURLToPath(new URL("..", import.meta.url));
const number = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    json: number,
    peers: number,
    rounds: number,
    "warm-up": number,
    singles: number,
    removals: number,
  },
});
const { json, ...forGuest } = values;
for (const [name, value] of Object.entries(forGuest)) {
  if (!/^[1-9]\d{0,6}$/.test(value)) fail(`--${name} must be a number from 1 to 9999999, not ${value}`);
}

const rows = [
  ...kernelRows(),
  ...importRows(new URL("../dist/esm/index.js", import.meta.url)),
  ...(await userspaceRows()),
];
console.log(table(rows));
const missed = rows.filter(({ met }) => met === false).map(({ name }) => name);
console.log(`\ntargets not met: ${missed.join("; ") || "none"}`);
if (json !== undefined) {
  const machine = { node: process.version, cpus: availableParallelism(), date: new Date().toISOString() };
  writeFileSync(resolve(json), `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
}

function kernelRows(): Row[] {
  const program = compile();
  const folder = mkdtempSync(join(tmpdir(), "dcokit-bench-"));
  try {
    const inVm = process.env["DCOKIT_RUN_IN"] !== "host";
    const file = "rows.json";
    const out = inVm ? "/run/dcokit-bench" : folder;
    const options = Object.entries(forGuest).flatMap(([name, value]) => [`--${name}`, value]);
    const command = [process.execPath, "bench/linux.ts", program, join(out, file), ...options];
    const vm = ["ci/vm/run", "--timeout", String(TIMEOUT), "--share", `${folder}:${out}`, "--"];
    runOrFail(inVm ? ["bash", ...vm, ...command] : command);
    return JSON.parse(readFileSync(join(folder, file), "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function compile(): string {
  const program = join(root, "build", "ovpn-requests");
  mkdirSync(join(root, "build"), { recursive: true });
  const source = join(root, "bench", "c", "ovpn-requests.c");
  runOrFail([process.env["CC"] ?? "cc", "-O2", "-static", "-o", program, source]);
  return program;
}

function runOrFail(command: readonly string[]): void {
  const [name = "", ...rest] = command;
  const { status, error } = spawnSync(name, rest, { cwd: root, stdio: ["ignore", 2, 2] });
  if (error) fail(`${name}: ${error.message}`);
  if (status !== 0) fail(`${command.join(" ")} ended with status ${status}`);
}

function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(1);
}
