/**
 * Pings by the program of Windows, in English: it has no other form of its answers that a program could read.
 */
import { execFile } from "node:child_process";
import type { PingOptions, PingResult, RunningPing } from "../world.ts";

/** More than all that is waited for. */
const SPARE_MS = 10_000;

/** See `World.ping`. The program waits a second between requests, whatever was asked. */
export function ping(to: string, { count = 3, size = 56, wait = 5 }: PingOptions = {}): Promise<PingResult> {
  const options = ["-n", String(count), "-l", String(size), "-w", String(Math.ceil(wait * 1000)), to];
  const timeout = count * (wait + 1) * 1000 + SPARE_MS;
  return new Promise((resolve, reject) => {
    execFile("ping.exe", options, { timeout, windowsHide: true }, (error, output) => {
      // It ends with status 1 where nothing was answered.
      if (error && typeof error.code !== "number") reject(error);
      else resolve({ sent: count, received: answersIn(output), output });
    });
  });
}

/** See `World.startPing`. */
export function startPing(to: string, options: PingOptions = {}): RunningPing {
  const total = { sent: 0, received: 0, output: "" };
  let stopped = false;
  const run = async () => {
    while (!stopped && (options.count === undefined || total.sent < options.count)) {
      const one = await ping(to, { ...options, count: 1 });
      total.sent += one.sent;
      total.received += one.received;
      total.output += one.output;
    }
  };
  const over = run();
  over.catch(() => {});
  return {
    answered: () => total.received,
    stop: async () => {
      stopped = true;
      await over;
      return total;
    },
  };
}

/** `Reply from 10.8.0.1: Destination host unreachable.` is none. */
export function answersIn(output: string): number {
  return output.match(/^Reply from .*\btime[=<]/gm)?.length ?? 0;
}
