/**
 * Events to any number of readers, each with a bounded queue of its own.
 */
import { DcoError } from "./errors.ts";
import type { DcoEvent } from "./model.ts";

interface Reader {
  readonly limit: number;
  queue: DcoEvent[];
  /** Events dropped since the last `overflow` was read. */
  dropped: number;
  wake: ((result: IteratorResult<DcoEvent>) => void) | undefined;
  ended: boolean;
  /** Takes the reader off its signal, which may live much longer. */
  readonly detach: () => void;
}

/** Hands events to readers; a reader that is too slow gets `overflow` and then a true `snapshot`. */
export class EventHub {
  readonly #snapshot: () => DcoEvent;
  readonly #readers = new Set<Reader>();
  #ended = false;

  /** @param snapshot describes the state of now */
  constructor(snapshot: () => DcoEvent) {
    this.#snapshot = snapshot;
  }

  emit(event: DcoEvent): void {
    for (const reader of this.#readers) offer(reader, event);
  }

  /** Ends all readers once they have read what they have. */
  end(): void {
    this.#ended = true;
    for (const reader of this.#readers) end(reader);
    this.#readers.clear();
  }

  /** A new reader, from now on. */
  read(limit: number, signal: AbortSignal | undefined): AsyncIterableIterator<DcoEvent> {
    const leave = () => {
      this.#readers.delete(reader);
      reader.queue = [];
      reader.dropped = 0;
      end(reader);
    };
    const detach = () => signal?.removeEventListener("abort", leave);
    const reader: Reader = { limit, queue: [], dropped: 0, wake: undefined, ended: false, detach };
    if (this.#ended || signal?.aborted) reader.ended = true;
    else {
      this.#readers.add(reader);
      signal?.addEventListener("abort", leave, { once: true });
    }
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () => {
        if (reader.wake) {
          return Promise.reject(new DcoError("busy", "events: a read is under way", { operation: "events" }));
        }
        const event = this.#take(reader);
        if (event) return Promise.resolve({ done: false, value: event });
        if (reader.ended) return Promise.resolve({ done: true, value: undefined });
        return new Promise((resolve) => {
          reader.wake = resolve;
        });
      },
      return: () => {
        leave();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #take(reader: Reader): DcoEvent | undefined {
    if (reader.dropped > 0) {
      const lost = reader.dropped;
      reader.dropped = 0;
      // What came before the loss is superseded by the snapshot; what comes after it follows.
      reader.queue.unshift(this.#snapshot());
      return { type: "overflow", lost, where: "reader" };
    }
    return reader.queue.shift();
  }
}

function offer(reader: Reader, event: DcoEvent): void {
  if (reader.wake) {
    const wake = reader.wake;
    reader.wake = undefined;
    wake({ done: false, value: event });
  } else if (reader.dropped > 0 && event.type !== "closed") {
    reader.dropped++;
  } else if (reader.queue.length >= reader.limit && event.type !== "closed") {
    reader.dropped = reader.queue.length + 1;
    reader.queue = [];
  } else {
    reader.queue.push(event);
  }
}

function end(reader: Reader): void {
  reader.detach();
  reader.ended = true;
  reader.wake?.({ done: true, value: undefined });
  reader.wake = undefined;
}
