/**
 * Finds out that peers are gone although no event has said so: events come to one reader, and another process, or
 * another driver, may have been it.
 */

/** How often the kernel is asked; less often where the answer takes long. */
const PERIOD_MS = 1000;
/** How much longer than the answer takes, and the most. */
const PATIENCE = 50;
const MOST_MS = 10_000;

/** Asks until it is stopped. It does not keep the process alive. */
export class PeerWatch {
  readonly #there: () => ReadonlySet<number>;
  readonly #known: ReadonlySet<number>;
  readonly #gone: (id: number) => void;
  #missing = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /**
   * @param there asks the kernel, and reads the events that wait
   * @param known ids of peers that have not ended yet
   * @param gone told of one that was missing twice: its event, if there was one for us, has been read by then
   */
  constructor(there: () => ReadonlySet<number>, known: ReadonlySet<number>, gone: (id: number) => void) {
    this.#there = there;
    this.#known = known;
    this.#gone = gone;
    this.#wait(PERIOD_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #wait(milliseconds: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.#look(), milliseconds);
    this.#timer.unref();
  }

  #look(): void {
    const began = performance.now();
    try {
      if (this.#known.size > 0) this.#compare(this.#there());
    } catch {
      // The interface is gone, or a right: others tell.
    }
    const patience = Math.min(MOST_MS, PATIENCE * (performance.now() - began));
    // Who is missing is missed for sure soon.
    this.#wait(this.#missing.size > 0 ? PERIOD_MS : Math.max(PERIOD_MS, patience));
  }

  #compare(there: ReadonlySet<number>): void {
    const missing = [...this.#known].filter((id) => !there.has(id));
    const again = missing.filter((id) => this.#missing.has(id));
    this.#missing = new Set(missing.filter((id) => !this.#missing.has(id)));
    for (const id of again) this.#gone(id);
  }
}
