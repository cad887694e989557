/**
 * Many items in one call: each settles by itself, and the event loop stays free.
 */
import { DcoError, describeError } from "./errors.ts";
import type { BulkResult } from "./model.ts";
import type { ValidatedBulkOptions } from "./validate.ts";

/** Items that are under way at a time, so that what a backend does off the loop overlaps. */
const WIDTH = 64;

/** Runs `one` for each item; after an abort the rest fail with `aborted` and effect `none`. */
export async function runBulk<I, T>(
  items: readonly I[],
  options: ValidatedBulkOptions,
  one: (item: I, at: number) => Promise<T>,
): Promise<BulkResult<T>[]> {
  const results = new Array<BulkResult<T>>(items.length);
  let next = 0;
  let done = 0;
  let pause: Promise<void> | undefined;
  const worker = async () => {
    while (next < items.length) {
      const at = next++;
      results[at] = await settle(() => {
        if (options.signal?.aborted) {
          throw new DcoError("aborted", "the call was aborted before this item", { effect: "none" });
        }
        return one(items[at] as I, at);
      });
      done++;
      try {
        options.onProgress?.(done, items.length);
      } catch {
        // It must not keep the results from the caller.
      }
      // All of them wait, else quick items would go on until the last worker has paused.
      if (done % WIDTH === 0) pause = turn();
      if (pause) await pause;
    }
  };
  await Promise.all(Array.from({ length: Math.min(WIDTH, items.length) }, worker));
  return results;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function settle<T>(task: () => Promise<T>): Promise<BulkResult<T>> {
  try {
    return { ok: true, value: await task() };
  } catch (error) {
    return { ok: false, error: describeError(error, "bulk") };
  }
}
