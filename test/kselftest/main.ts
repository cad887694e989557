/**
 * The kernel's own tests of ovpn, with the kernel's own client and with ours, on one kernel, script by script.
 *
 * Run as root in a virtual machine by ci/kselftest/main.ts, with the names of scripts. Prints a line for each result, as
 * JSON, and one in TAP. Exit status 0: each script that passed with the kernel's client passed with ours.
 */
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type ClientResult, type ScriptResult, verdict } from "../../ci/kselftest/results.ts";
import { makeClient } from "./client.ts";

/** Seconds for one script, before it is stretched. */
const LIMIT = 240;

const { values, positionals } = parseArgs({
  options: {
    source: { type: "string", default: "" },
    programs: { type: "string", default: "" },
    stretch: { type: "string", default: "1" },
    /** How many scripts run at a time. */
    parallel: { type: "string", default: "1" },
    verbose: { type: "boolean", default: false },
  },
  allowPositionals: true,
});

async function main(): Promise<number> {
  const stretch = Number(values.stretch);
  console.log(`# kernel ${release()}`);
  console.log(`# time limits of the scripts stretched by ${stretch}, for both clients`);
  const folder = copyScripts(stretch);
  const clients = { kernel: join(values.programs, "ovpn-cli"), ours: makeClient() };
  execFileSync("modprobe", ["ovpn"]);
  const left = [...positionals];
  let failed = 0;
  const work = async () => {
    for (let script = left.shift(); script !== undefined; script = left.shift()) {
      const kernelClient = await run(folder, script, clients.kernel, stretch);
      console.log(`# ${script}, the kernel's client: ${inWords(kernelClient)}`);
      const ourClient = await run(folder, script, clients.ours, stretch);
      console.log(`# ${script}, our client: ${inWords(ourClient)}`);
      const date = new Date().toISOString().slice(0, 10);
      const result: ScriptResult = { kernel: release(), script, date, stretch, kernelClient, ourClient };
      console.log(`# result ${JSON.stringify(result)}`);
      const came = verdict(result);
      if (came === "failed") failed++;
      const why = came === "skipped" ? " # SKIP it fails with the kernel's client too" : "";
      console.log(`${came === "failed" ? "not ok" : "ok"} - ${script}${why}`);
    }
  };
  await Promise.all(Array.from({ length: Number(values.parallel) }, work));
  rmSync(folder, { recursive: true });
  return failed > 0 ? 1 : 0;
}

/**
 * Scripts have fixed names for namespaces, and end all clients by their name: each has names and processes of its own.
 * They also unload the module in the end, and another script may be using it: they are given a `modprobe` that does
 * nothing.
 */
const APART = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
const APART_SCRIPT = 'mount -t tmpfs tmpfs /run/netns && exec bash "./$1"';

const inWords = ({ passed, failed, problem, seconds }: ClientResult) =>
  `${passed} passed, ${failed} failed${problem === undefined ? "" : ` (${problem})`}, ${seconds} s`;

/**
 * The scripts beside what they expect beside them, their waiting times and time limits multiplied: `sleep`, the limit of
 * tcpdump, how long a ping may take, and the keepalive (60 and 120 seconds, or 3 and 3). Nothing else is changed.
 */
function copyScripts(stretch: number): string {
  const top = mkdtempSync(join(tmpdir(), "kselftest-"));
  writeFileSync(join(top, "modprobe"), "#!/bin/sh\n", { mode: 0o755 });
  const selftests = resolve(values.source, "..", "..");
  const folder = join(top, "net", "ovpn");
  cpSync(values.source, folder, { recursive: true, dereference: true });
  symlinkSync(join(selftests, "kselftest"), join(top, "kselftest"));
  const times = (text: string) => String(Math.round(Number(text) * stretch * 10) / 10);
  const whole = (text: string) => String(Math.ceil(Number(text) * stretch));
  for (const name of readdirSync(folder).filter((each) => each.endsWith(".sh"))) {
    const path = join(folder, name);
    const text = readFileSync(path, "utf8")
      .replace(/\bsleep (\d+(?:\.\d+)?)/g, (_, seconds: string) => `sleep ${times(seconds)}`)
      .replace(
        /(tcpdump_timeout=")(\d+(?:\.\d+)?)s/g,
        (_, head: string, seconds: string) => `${head}${times(seconds)}s`,
      )
      .replace(/ -w (\d+)\b/g, (_, seconds: string) => ` -w ${whole(seconds)}`)
      .replace(
        /\b(60|3) (120|3)(?=$| "\$2")/gm,
        (_, interval: string, timeout: string) => `${whole(interval)} ${whole(timeout)}`,
      );
    writeFileSync(path, text);
  }
  return folder;
}

function run(folder: string, script: string, client: string, stretch: number): Promise<ClientResult> {
  const began = performance.now();
  const listener = resolve(values.source, "../../../../net/ynl/pyynl/cli.py");
  const [unshare = "", ...apart] = APART;
  const child = spawn(unshare, [...apart, "sh", "-c", APART_SCRIPT, "sh", script], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    env: {
      ...process.env,
      PATH: `${join(folder, "..", "..")}:${values.programs}:${process.env["PATH"]}`,
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
function read(output: string, end: string | undefined, seconds: number): ClientResult {
  const lines = output.split("\n");
  const passed = lines.filter((line) => /^ok \d+/.test(line)).length;
  const bad = lines.filter((line) => /^not ok \d+/.test(line));
  const plan = Number(/^1\.\.(\d+)$/m.exec(output)?.[1] ?? "0");
  const short = passed + bad.length < plan ? `${passed + bad.length} of ${plan} cases` : undefined;
  const problem = bad[0] ?? end ?? short ?? (passed === 0 ? "no cases" : undefined);
  if (problem !== undefined) for (const line of lines.slice(-25)) console.log(`  | ${line}`);
  return { passed, failed: bad.length, seconds, ...(problem === undefined ? {} : { problem }) };
}

try {
  process.exitCode = await main();
} catch (error) {
  console.log(`Bail out! ${error instanceof Error ? error.message : String(error)}`);
  console.error(error);
  process.exitCode = 1;
}
