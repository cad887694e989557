/**
 * The kernel's own tests of ovpn, with the kernel's own client and with ours, on one kernel, script by script.
 *
 * Run as root in a virtual machine by ci/kselftest/run. Exit status 0: each script that passed with the kernel's client
 * passed with ours, and at least one did.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { makeClient } from "./client.ts";

/** Seconds for one script, before it is stretched. */
const LIMIT = 240;

const { values } = parseArgs({
  options: {
    source: { type: "string", default: "" },
    programs: { type: "string", default: "" },
    filter: { type: "string", default: "" },
    stretch: { type: "string", default: "1" },
    /** Where both clients are wanted: `both`; for work on ours: `ours`. */
    client: { type: "string", default: "both" },
    verbose: { type: "boolean", default: false },
  },
});

/** What became of one script with one client. */
interface Result {
  readonly passed: number;
  readonly failed: number;
  /** The first case that failed, or why there was none. */
  readonly problem: string | undefined;
  readonly seconds: number;
}

async function main(): Promise<number> {
  const stretch = Number(values.stretch);
  console.log(`# kernel ${release()}`);
  console.log(`# time limits of the scripts stretched by ${stretch}, for both clients`);
  const folder = copyScripts(stretch);
  const scripts = readdirSync(folder).filter(
    (name) => /^test.*\.sh$/.test(name) && name.includes(values.filter),
  );
  const clients = { kernel: join(values.programs, "ovpn-cli"), ours: makeClient() };
  const tally = { passed: 0, failed: 0, skipped: 0 };
  for (const script of scripts) {
    const kernel = values.client === "ours" ? undefined : await run(folder, script, clients.kernel, stretch);
    if (kernel) console.log(`# ${script}, the kernel's client: ${inWords(kernel)}`);
    const ours = await run(folder, script, clients.ours, stretch);
    console.log(`# ${script}, our client: ${inWords(ours)}`);
    const verdict = judge(kernel, ours);
    tally[verdict]++;
    console.log(
      `${verdict === "failed" ? "not ok" : "ok"} - ${script}${verdict === "skipped" ? " # SKIP it fails with the kernel's client too" : ""}`,
    );
  }
  rmSync(folder, { recursive: true });
  console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
  return tally.failed > 0 || tally.passed === 0 ? 1 : 0;
}

const well = ({ passed, problem }: Result) => passed > 0 && problem === undefined;

function judge(kernel: Result | undefined, ours: Result): "passed" | "failed" | "skipped" {
  if (kernel !== undefined && !well(kernel)) return well(ours) ? "passed" : "skipped";
  return well(ours) && (kernel === undefined || ours.passed >= kernel.passed) ? "passed" : "failed";
}

const inWords = ({ passed, failed, problem, seconds }: Result) =>
  `${passed} passed, ${failed} failed${problem === undefined ? "" : ` (${problem})`}, ${seconds} s`;

/**
 * The scripts beside what they expect beside them, their waiting times and time limits multiplied: `sleep`, the limit of
 * tcpdump, and how long a ping may take. Nothing else is changed.
 */
function copyScripts(stretch: number): string {
  const top = mkdtempSync(join(tmpdir(), "kselftest-"));
  const selftests = resolve(values.source, "..", "..");
  const folder = join(top, "net", "ovpn");
  cpSync(values.source, folder, { recursive: true, dereference: true });
  symlinkSync(join(selftests, "kselftest"), join(top, "kselftest"));
  const times = (text: string) => String(Math.round(Number(text) * stretch * 10) / 10);
  for (const name of readdirSync(folder).filter((each) => each.endsWith(".sh"))) {
    const path = join(folder, name);
    const text = readFileSync(path, "utf8")
      .replace(/\bsleep (\d+(?:\.\d+)?)/g, (_, seconds: string) => `sleep ${times(seconds)}`)
      .replace(
        /(tcpdump_timeout=")(\d+(?:\.\d+)?)s/g,
        (_, head: string, seconds: string) => `${head}${times(seconds)}s`,
      )
      .replace(/ -w (\d+)\b/g, (_, seconds: string) => ` -w ${Math.ceil(Number(seconds) * stretch)}`);
    writeFileSync(path, text);
  }
  return folder;
}

function run(folder: string, script: string, client: string, stretch: number): Promise<Result> {
  const began = performance.now();
  const listener = resolve(values.source, "../../../../net/ynl/pyynl/cli.py");
  const child = spawn("bash", [`./${script}`], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    env: {
      ...process.env,
      PATH: `${values.programs}:${process.env["PATH"]}`,
      OVPN_CLI: client,
      OVPN_YNL: listener,
      ...(values.verbose ? { OVPN_VERBOSE: "1" } : {}),
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (values.verbose) process.stdout.write(text);
    });
  }
  const limit = LIMIT * Math.max(1, stretch);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    process.kill(-(child.pid as number), "SIGKILL");
  }, limit * 1000);
  return new Promise((settle, fail) => {
    child.once("error", fail);
    // Not `close`: what goes on in the background has the output open.
    child.once("exit", () => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      settle(
        read(
          output,
          late ? `no end within ${limit} s` : undefined,
          Math.round((performance.now() - began) / 1000),
        ),
      );
    });
  });
}

/** Counts the lines of TAP. */
function read(output: string, end: string | undefined, seconds: number): Result {
  const lines = output.split("\n");
  const passed = lines.filter((line) => /^ok \d+/.test(line)).length;
  const bad = lines.filter((line) => /^not ok \d+/.test(line));
  const plan = Number(/^1\.\.(\d+)$/m.exec(output)?.[1] ?? "0");
  const short = passed + bad.length < plan ? `${passed + bad.length} of ${plan} cases` : undefined;
  const problem = bad[0] ?? end ?? short ?? (passed === 0 ? "no cases" : undefined);
  if (problem !== undefined) for (const line of lines.slice(-25)) console.log(`  | ${line}`);
  return { passed, failed: bad.length, problem, seconds };
}

try {
  process.exitCode = await main();
} catch (error) {
  console.log(`Bail out! ${error instanceof Error ? error.message : String(error)}`);
  console.error(error);
  process.exitCode = 1;
}
