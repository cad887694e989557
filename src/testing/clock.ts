/**
 * Time that a test makes.
 */
import { type Clock, socketsRead } from "../userspace/clock.ts";

interface Timer {
  readonly at: number;
  readonly task: () => void;
}

/** Stands still until it is moved: keepalives of hours expire in no time, and never too early. */
export class VirtualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<Timer>();

  /** Milliseconds that it has been moved on. */
  now(): number {
    return this.#now;
  }

  after(milliseconds: number, task: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, milliseconds), task };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  caughtUp(): Promise<void> {
    return socketsRead();
  }

  /**
   * Moves on, and lets what falls due happen in its order; packets that are sent meanwhile get their time to arrive.
   *
   * @param seconds 0 or more; parts of a second are allowed
   */
  async advance(seconds: number): Promise<void> {
    if (!(seconds >= 0)) throw new RangeError(`time goes forward only, not by ${seconds} seconds`);
    const end = this.#now + 1000 * seconds;
    for (;;) {
      const next = this.#next(end);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.task();
      // Through two turns of the event loop: one sends, the other receives.
      for (let turn = 0; turn < 2; turn++) await this.caughtUp();
    }
    this.#now = end;
  }

  #next(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at <= end && (first === undefined || timer.at < first.at)) first = timer;
    }
    return first;
  }
}
