/**
 * Many items in one call: each settles by itself, and the event loop stays free.
 */
import type { AtOnce } from "./at-once.ts";
import { MOST_AT_ONCE } from "./backend.ts";
import { DcoError, describeError } from "./errors.ts";
import type { BulkResult } from "./model.ts";
import { Pace } from "./pace.ts";
import type { ValidatedBulkOptions } from "./validate.ts";

/** Nobody waits for progress, or gives up. */
export const NO_BULK_OPTIONS: ValidatedBulkOptions = { signal: undefined, onProgress: undefined };

/** Items that are under way at a time, so that what a backend does off the loop overlaps. */
const WIDTH = 64;

/** Of a slice, what goes to the kernel together: so many items, and more if they take less time than that. */
const LEAST_PART = 16;
const PART_MS = 2;

/**
 * Runs `one` for each item; after an abort the rest fail with `aborted` and effect `none`.
 *
 * @param atOnce tries many of them together first
 */
export async function runBulk<I, T>(
  items: readonly I[],
  options: ValidatedBulkOptions,
  one: (item: I, at: number) => Promise<T>,
  atOnce?: AtOnce<T>,
): Promise<BulkResult<T>[]> {
  const bulk = new Bulk(items, options, one);
  if (atOnce) await bulk.runSlices(atOnce);
  else await bulk.runEach(items.map((_, at) => at));
  return bulk.results;
}

class Bulk<I, T> {
  readonly results: BulkResult<T>[];
  readonly #items: readonly I[];
  readonly #options: ValidatedBulkOptions;
  readonly #one: (item: I, at: number) => Promise<T>;
  #done = 0;

  constructor(items: readonly I[], options: ValidatedBulkOptions, one: (item: I, at: number) => Promise<T>) {
    this.results = new Array<BulkResult<T>>(items.length);
    this.#items = items;
    this.#options = options;
    this.#one = one;
  }

  /** Slices of items that are done together, with turns of the event loop in between. */
  async runSlices(atOnce: AtOnce<T>): Promise<void> {
    const items = this.#items;
    const { results } = this;
    let size = LEAST_PART;
    let next = 0;
    const pace = new Pace();
    while (next < items.length && !this.#aborted) {
      const left: number[] = [];
      const from = next;
      const began = performance.now();
      next = atOnce({ items, from, to: Math.min(from + size, items.length), results, left });
      const now = performance.now();
      const fitting = Math.round(((next - from) * PART_MS) / Math.max(now - began, 0.01));
      size = Math.max(LEAST_PART, Math.min(fitting, 2 * size, MOST_AT_ONCE));
      this.#progress(next - from - left.length);
      if (left.length > 0) await this.runEach(left);
      if (pace.over) await pace.turn();
    }
    // Aborted: each of the others is told so.
    if (next < items.length) await this.runEach(items.map((_, at) => at).slice(next));
  }

  /** Some of the items one by one, overlapping. */
  async runEach(places: readonly number[]): Promise<void> {
    let next = 0;
    let pause: Promise<void> | undefined;
    const worker = async () => {
      while (next < places.length) {
        const at = places[next++] as number;
        this.results[at] = await settle(() => {
          if (this.#aborted) {
            throw new DcoError("aborted", "the call was aborted before this item", { effect: "none" });
          }
          return this.#one(this.#items[at] as I, at);
        });
        this.#progress(1);
        // All of them wait, else quick items would go on until the last worker has paused.
        if (this.#done % WIDTH === 0) pause = turn();
        if (pause) await pause;
      }
    };
    await Promise.all(Array.from({ length: Math.min(WIDTH, places.length) }, worker));
  }

  get #aborted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  #progress(count: number): void {
    const { onProgress } = this.#options;
    for (let n = 0; n < count; n++) {
      this.#done++;
      try {
        onProgress?.(this.#done, this.#items.length);
      } catch {
        // It must not keep the results from the caller.
      }
    }
  }
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
