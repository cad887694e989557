/**
 * Programs of the system, run without a shell of ours in between.
 */
import { execFile, spawn } from "node:child_process";
import type { PingOptions, PingResult, RunningPing } from "../world.ts";

/** Runs a program; its standard output. Fails with what it said. */
export function run(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { encoding: "utf8", maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      if (!error) resolve(stdout);
      else reject(new Error(`${file} ${args.join(" ")}: ${stderr.trim() || error.message}`));
    });
  });
}

/** Runs `ip` in a network namespace. */
export function ip(namespace: string, ...args: string[]): Promise<string> {
  return run("ip", ["-n", namespace, ...args]);
}

/** Runs shell commands in a network namespace, where /proc/sys/net is that namespace's. */
export function shellIn(namespace: string, script: string): Promise<string> {
  return run("nsenter", [`--net=/run/netns/${namespace}`, "sh", "-e", "-c", script]);
}

/** Pings from a network namespace; see `World.startPing`. */
export function startPing(namespace: string, to: string, options: PingOptions = {}): RunningPing {
  const { count, size = 56, interval = 0.05, wait = 5 } = options;
  const limit = count === undefined ? [] : ["-c", String(count)];
  const args = ["-n", "-q", ...limit, "-i", String(interval), "-W", String(wait), "-s", String(size), to];
  const child = spawn("nsenter", [`--net=/run/netns/${namespace}`, "ping", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<PingResult>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => {
      const counts = /(\d+) packets transmitted, (\d+) received/.exec(output);
      if (counts) resolve({ sent: Number(counts[1]), received: Number(counts[2]), output: output.trim() });
      else reject(new Error(`ping ${to} in ${namespace}: ${output.trim() || "no output"}`));
    });
  });
  ended.catch(() => {});
  return {
    stop: () => {
      if (count === undefined) child.kill("SIGINT");
      return ended;
    },
  };
}
