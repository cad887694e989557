/**
 * `npm run bench`: prints a table. Targets are shown, never asserted.
 *
 *   npm run bench -- [--only PART[,PART]] [--json FILE] [--peers N] [--rounds N] [--warm-up N] [--singles N]
 *                    [--removals N] [--seconds N]
 *
 * Parts: requests, import, userspace; and tunnel, which is run only when it is named. What needs the kernel runs in a
 * virtual machine unless DCOKIT_RUN_IN=host is set.
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
    only: number,
    seconds: number,
    peers: number,
    rounds: number,
    "warm-up": number,
    singles: number,
    removals: number,
  },
});
const { json, only = "requests,import,userspace", seconds, ...forGuest } = values;
for (const [name, value] of Object.entries({ ...forGuest, ...(seconds !== undefined && { seconds }) })) {
  if (!/^[1-9]\d{0,6}$/.test(value)) fail(`--${name} must be a number from 1 to 9999999, not ${value}`);
}

const parts: Readonly<Record<string, () => Row[] | Promise<Row[]>>> = {
  requests: () => kernelRows("ovpn-requests", [], "bench/linux.ts", forGuest),
  import: () => importRows(new URL("../dist/esm/index.js", import.meta.url)),
  userspace: userspaceRows,
  tunnel: () => {
    const { rounds } = forGuest;
    const options = { ...openVpn(), ...(rounds && { rounds }), ...(seconds && { seconds }) };
    return kernelRows("tunnel-load", ["ovpn", "tun"], "bench/tunnel.ts", options);
  },
};
const wanted = only.split(",");
for (const name of wanted) {
  if (!Object.hasOwn(parts, name)) fail(`--only: there is no part ${name}; ${Object.keys(parts).join(", ")}`);
}
const rows: Row[] = [];
for (const name of wanted) rows.push(...((await parts[name]?.()) ?? []));
console.log(table(rows));
const missed = rows.filter(({ met }) => met === false).map(({ name }) => name);
console.log(`\ntargets not met: ${missed.join("; ") || "none"}`);
if (json !== undefined) {
  const machine = { node: process.version, cpus: availableParallelism(), date: new Date().toISOString() };
  writeFileSync(resolve(json), `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
}

/** What a program of the bench measures on a kernel with these modules, with the help of a C program. */
function kernelRows(
  helper: string,
  modules: readonly string[],
  program: string,
  settings: Readonly<Record<string, string>>,
): Row[] {
  const compiled = compile(helper);
  const folder = mkdtempSync(join(tmpdir(), "dcokit-bench-"));
  try {
    const inVm = process.env["DCOKIT_RUN_IN"] !== "host";
    const file = "rows.json";
    const out = inVm ? "/run/dcokit-bench" : folder;
    const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const command = [process.execPath, program, compiled, join(out, file), ...options];
    const loaded = modules.flatMap((name) => ["--module", name]);
    const vm = ["ci/vm/run", "--timeout", String(TIMEOUT), "--share", `${folder}:${out}`, ...loaded, "--"];
    runOrFail(inVm ? ["bash", ...vm, "ci/vm/start-node", ...command] : command);
    return JSON.parse(readFileSync(join(folder, file), "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Where OpenVPN is, which is brought from Debian, and its version. */
function openVpn(): Record<string, string> {
  const { status, stdout } = spawnSync("bash", ["ci/openvpn/package", "2.7"], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", 2],
  });
  if (status !== 0) fail("OpenVPN could not be had");
  const found = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(stdout)?.[1] ?? "";
  return { openvpn: found("openvpn"), openssl: found("openssl"), version: found("version") };
}

function compile(name: string): string {
  const program = join(root, "build", name);
  mkdirSync(join(root, "build"), { recursive: true });
  const source = join(root, "bench", "c", `${name}.c`);
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
