/**
 * Keeps the events of an interface from now on, for a case to look at.
 */
import { inspect } from "node:util";
import type { DcoInterface } from "../../src/core/contract.ts";
import type { DcoEvent, EventOptions } from "../../src/core/model.ts";
import { inTime } from "./expect.ts";

/** The event of a type. */
export type EventOf<T extends DcoEvent["type"]> = Extract<DcoEvent, { type: T }>;

/** One reader of `events()`. */
export class Recorder {
  /** All that came so far. */
  readonly all: DcoEvent[] = [];
  /** Resolves when the iteration has ended. */
  readonly done: Promise<void>;
  #next = 0;
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(dco: DcoInterface, options?: EventOptions) {
    // Subscribed within this call: what happens next is recorded.
    const events = dco.events(options);
    this.done = this.#record(events);
    this.done.catch(() => {});
  }

  /** The first event of the type, after the one that the last `next` gave, that satisfies; else waits for it. */
  async next<T extends DcoEvent["type"]>(
    type: T,
    satisfies: (event: EventOf<T>) => boolean = () => true,
    milliseconds?: number,
  ): Promise<EventOf<T>> {
    const find = async () => {
      for (;;) {
        while (this.#next < this.all.length) {
          const event = this.all[this.#next++] as DcoEvent;
          if (event.type === type && satisfies(event as EventOf<T>)) return event as EventOf<T>;
        }
        if (this.#ended) throw new Error(`the events ended without ${type}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    try {
      return await inTime(find(), `waiting for ${type}`, milliseconds);
    } catch (error) {
      (error as Error).message += `; events so far: ${inspect(this.all, { depth: 3, maxArrayLength: 20 })}`;
      throw error;
    }
  }

  /** All recorded events of a type. */
  of<T extends DcoEvent["type"]>(type: T): EventOf<T>[] {
    return this.all.filter((event): event is EventOf<T> => event.type === type);
  }

  async #record(events: AsyncIterable<DcoEvent>): Promise<void> {
    try {
      for await (const event of events) {
        this.all.push(event);
        this.#wake?.();
      }
    } finally {
      this.#ended = true;
      this.#wake?.();
    }
  }
}
