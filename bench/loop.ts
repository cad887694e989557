/**
 * How long the event loop was kept from its work.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds between two looks at the clock. */
const RESOLUTION = 1;

/** So that the timer runs before the phase begins, and sees a delay that lasts to its end. Few quiet turns. */
const MARGIN = 4;

/** What was seen of the loop, in milliseconds between two turns of a timer. */
export interface LoopDelay {
  readonly p99: number;
  readonly max: number;
}

/** Runs something, and measures its time in seconds and the delays of the loop meanwhile. */
export async function watched(body: () => Promise<void>): Promise<{ seconds: number; loop: LoopDelay }> {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
  histogram.enable();
  await sleep(MARGIN);
  const start = process.hrtime.bigint();
  await body();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  await sleep(MARGIN);
  histogram.disable();
  return { seconds, loop: { p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 } };
}
