/**
 * The events of all interfaces of the demo, with the time.
 */
import type { DcoEvent, DcoInterface } from "../../src/index.ts";

/** An event, and where and when it was seen. */
export interface SeenEvent {
  /** Seconds since the demo began. */
  readonly seconds: number;
  readonly on: string;
  readonly event: DcoEvent;
}

export class EventLog {
  readonly seen: SeenEvent[] = [];
  readonly #waiting = new Set<() => void>();

  /** Collects the events of an interface until that closes. */
  async watch(on: string, dco: DcoInterface): Promise<void> {
    for await (const event of dco.events()) {
      this.seen.push({ seconds: performance.now() / 1000, on, event });
      for (const look of this.#waiting) look();
    }
  }

  /** The first event that is wanted, whether it has come or is to come. Rejects after so many seconds. */
  waitFor(
    what: string,
    seconds: number,
    wanted: (seen: SeenEvent) => boolean,
    signal: AbortSignal,
  ): Promise<SeenEvent> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(look);
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
      };
      const fail = (error: unknown) => {
        leave();
        reject(error);
      };
      const look = () => {
        const found = this.seen.find(wanted);
        if (!found) return;
        leave();
        resolve(found);
      };
      const abort = () => fail(signal.reason);
      const timer = setTimeout(
        () => fail(new Error(`${what} has not come within ${seconds} s`)),
        seconds * 1000,
      );
      this.#waiting.add(look);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      look();
    });
  }
}
