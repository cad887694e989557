/** Runs a command with a deadline, and ends all that it started with it. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { root } from "../paths.ts";

/** How a command ended. */
export interface Ended {
  readonly status: number | null;
  /** One sentence where it did not end with status 0. */
  readonly problem: string | undefined;
}

/** What {@link run} may be told. */
export interface RunOptions {
  readonly seconds: number;
  /** Called with each line of its standard output, which is otherwise printed as it comes. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** The same for standard error. */
  readonly onErrorLine?: ((line: string) => void) | undefined;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs a command in the root of the checkout, without standard input. Never rejects. */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<Ended> {
  const child = spawn(command, args, {
    cwd: root,
    stdio: ["ignore", options.onLine ? "pipe" : "inherit", options.onErrorLine ? "pipe" : "inherit"],
    // A process group of its own, so that its children can be ended with it.
    detached: true,
  });
  const kill = (signal: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // It has ended by itself.
    }
  };
  const onSignal = (signal: NodeJS.Signals) => {
    kill(signal);
    // What has to be tidied up is tidied up by the children; then this process ends as it was told to.
    child.once("close", () => {
      for (const name of signals) process.off(name, onSignal);
      process.kill(process.pid, signal);
    });
  };
  for (const name of signals) process.on(name, onSignal);
  let late = false;
  const timers = [
    setTimeout(() => {
      late = true;
      kill("SIGTERM");
    }, options.seconds * 1000),
    setTimeout(() => kill("SIGKILL"), (options.seconds + 15) * 1000),
  ];
  if (child.stdout && options.onLine) createInterface(child.stdout).on("line", options.onLine);
  if (child.stderr && options.onErrorLine) createInterface(child.stderr).on("line", options.onErrorLine);
  const ended = await new Promise<Ended>((resolve) => {
    child.once("error", (error) => resolve({ status: null, problem: error.message }));
    child.once("close", (status, signal) => {
      if (late) resolve({ status, problem: `it did not end within ${options.seconds} s` });
      else if (status === 0) resolve({ status, problem: undefined });
      else resolve({ status, problem: `it ended with ${signal ?? `status ${status}`}` });
    });
  });
  for (const timer of timers) clearTimeout(timer);
  for (const name of signals) process.off(name, onSignal);
  return ended;
}
