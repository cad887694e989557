/**
 * Programs that the demo runs: ip, ping, and its own traffic ends.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";

/** A child with all three streams as pipes. */
export type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Debian packages of what may be missing. */
const PACKAGES: Readonly<Record<string, string>> = { ip: "iproute2", ping: "iputils-ping" };

/** Starts a program; an abort kills it. It is out of reach of the terminal's Ctrl-C, which is for the demo. */
export function start(command: readonly string[], signal?: AbortSignal): Child {
  const [program, ...args] = command as [string, ...string[]];
  return spawn(program, args, {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
    killSignal: "SIGKILL",
    env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`, LC_ALL: "C" },
    ...(signal && { signal }),
  });
}

/** Waits for the end of a program that {@link start} started. Rejects unless its exit status is one of these. */
export function finished(child: Child, statuses: readonly number[] = [0]): Promise<string> {
  return new Promise((resolve, reject) => {
    let stdout = "";
    let stderr = "";
    let failure: Error | undefined;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    // It may end before it has read what it is given.
    child.stdin.on("error", () => {});
    child.on("error", (error: NodeJS.ErrnoException) => {
      failure = error.code === "ENOENT" ? missing(child.spawnfile) : error;
      // What could not be started does not end either.
      if (child.pid === undefined) reject(failure);
    });
    child.on("close", (status, killedBy) => {
      if (failure) reject(failure);
      else if (status !== null && statuses.includes(status)) resolve(stdout);
      else {
        const how = killedBy ?? `status ${status}`;
        reject(new Error(`${child.spawnargs.join(" ")}: ${stderr.trim() || stdout.trim()} (${how})`));
      }
    });
  });
}

/** Runs a program to its end, and returns what it printed. */
export function run(command: readonly string[], signal?: AbortSignal, input = ""): Promise<string> {
  const child = start(command, signal);
  const end = finished(child);
  child.stdin.end(input);
  return end;
}

/** Runs several `ip` commands, one per line, in one process; the first failure ends it. */
export async function ip(lines: readonly string[], signal?: AbortSignal): Promise<void> {
  await run(["ip", "-batch", "-"], signal, `${lines.join("\n")}\n`);
}

/** The command, to be run in a network namespace. */
export function inside(namespace: string, ...command: readonly string[]): string[] {
  return ["ip", "netns", "exec", namespace, ...command];
}

function missing(program: string): Error {
  const name = PACKAGES[program];
  return new Error(`the command ${program} is missing${name ? ` (Debian package ${name})` : ""}`);
}
