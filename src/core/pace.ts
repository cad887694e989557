/**
 * Long work in slices, so that the event loop has its turns.
 */

/** Milliseconds that are worked before the event loop has a turn. */
const SLICE_MS = 4;

/** Tells when it is time for a turn. */
export class Pace {
  #start = performance.now();

  /** Whether the slice is over: then wait for {@link turn}. */
  get over(): boolean {
    return performance.now() - this.#start >= SLICE_MS;
  }

  /** Lets the event loop do what waits there; a new slice begins after it. */
  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#start = performance.now();
  }
}
