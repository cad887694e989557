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

/**
 * The time since the event loop had its last turn, across all calls: one whose answer comes at once is over before that,
 * and a caller who makes them one after the other would keep the loop from everything else.
 */
class SinceTurn {
  #start = 0;
  #watching = false;
  #turn: Promise<void> | undefined;

  /** What to wait for before a result is handed over: undefined while the loop can wait. */
  pause(): Promise<void> | undefined {
    if (!this.#watching) {
      this.#watching = true;
      this.#start = performance.now();
      setImmediate(() => {
        this.#watching = false;
        this.#turn = undefined;
      });
      return undefined;
    }
    if (performance.now() - this.#start < SLICE_MS) return undefined;
    this.#turn ??= new Promise((resolve) => setImmediate(resolve));
    return this.#turn;
  }
}

/** Of this process. */
export const sinceTurn = new SinceTurn();
