/**
 * How the demo's process is stopped, and how it ends.
 */
import { constants } from "node:os";

/** The reason when a person, or the system, stops the demo. */
export class Interrupted extends Error {
  /** As a shell has it: 128 and the signal's number. */
  readonly status: number;

  constructor(signal: "SIGINT" | "SIGTERM" | "SIGHUP") {
    super(`stopped by ${signal}`);
    this.status = 128 + constants.signals[signal];
  }
}

/** Calls `stop` instead of ending the process: on signals, if nobody reads the output, and on program errors. */
export function onInterrupt(stop: (reason: unknown) => void): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => stop(new Interrupted(signal)));
  }
  process.stdout.on("error", stop);
  process.on("uncaughtException", stop);
}

/** Waits for the abort, however long, and returns its reason. */
export function untilAborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    // Without a timer Node would end the process when nothing else is going on.
    const alive = setInterval(() => {}, 60_000);
    const end = () => {
      clearInterval(alive);
      resolve(signal.reason);
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}

/** Ends the process by itself if it can, else says what keeps it and ends it as failed. */
export function endProcess(status: number): void {
  process.exitCode = status;
  setTimeout(() => {
    console.error(
      `the demo is done, but this keeps it alive: ${process.getActiveResourcesInfo().join(", ")}`,
    );
    process.exit(status || 1);
  }, 5000).unref();
}
