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

/** Items between two looks at the clock. */
const ITEMS_PER_LOOK = 32;

/** Does something to each of very many items, in slices. */
export async function forEachPaced<T>(items: Iterable<T>, each: (item: T) => void): Promise<void> {
  const pace = new Pace();
  let n = 0;
  for (const item of items) {
    each(item);
    if (++n % ITEMS_PER_LOOK === 0 && pace.over) await pace.turn();
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
