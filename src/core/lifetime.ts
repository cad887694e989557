/**
 * How calls end early: by an AbortSignal, or because what they were made on was closed.
 */
import { DcoError, type Effect } from "./errors.ts";

/** Throws `aborted` with effect `none` if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new DcoError("aborted", "the call was aborted before it began", {
      effect: "none",
      cause: signal.reason,
    });
  }
}

/** See {@link Lifetime.guard}. */
export interface GuardOptions<T> {
  readonly undo?: ((result: T) => Promise<unknown>) | undefined;
  readonly abortEffect?: Effect;
}

/** An open thing with calls in flight; closing it rejects them all with `closed`. */
export class Lifetime {
  readonly #what: string;
  readonly #pending = new Set<(error: DcoError) => void>();
  readonly #work = new Set<Promise<unknown>>();
  readonly #end = new AbortController();
  #closed = false;

  /** @param what the thing, for messages: `interface ovpn0` */
  constructor(what: string) {
    this.#what = what;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Fires with the caller's signal, and when this is closed: for work that would go on by itself. */
  orClosed(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal;
  }

  /** Throws `closed` if it is. */
  check(): void {
    if (this.#closed) throw new DcoError("closed", `${this.#what} is closed`, { effect: "none" });
  }

  /** Rejects everything in flight. */
  close(): void {
    this.#closed = true;
    this.#end.abort();
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const reject of pending) {
      reject(new DcoError("closed", `${this.#what} was closed during the call`, { effect: "unknown" }));
    }
  }

  /** Waits until nothing is at work any more, what was abandoned included. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  /**
   * Waits for `work`, or for the abort or the close, whichever is first.
   *
   * @param undo takes back a result that came after the caller had been told otherwise
   * @param abortEffect what an aborted call leaves behind; default `unknown`
   */
  async guard<T>(
    work: Promise<T>,
    signal?: AbortSignal,
    { undo, abortEffect = "unknown" }: GuardOptions<T> = {},
  ): Promise<T> {
    let reject!: (error: DcoError) => void;
    let left = false;
    const ended = new Promise<never>((_, fail) => {
      reject = (error) => {
        left = true;
        fail(error);
      };
    });
    ended.catch(() => {});
    const onAbort = () =>
      reject(
        new DcoError("aborted", "the call was aborted while the kernel was at work", {
          effect: abortEffect,
          cause: signal?.reason,
        }),
      );
    this.#pending.add(reject);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (this.#closed) reject(new DcoError("closed", `${this.#what} is closed`, { effect: "unknown" }));
    const whole = work
      .then((result) => (left ? undo?.(result) : undefined))
      .catch(() => {})
      .finally(() => this.#work.delete(whole));
    this.#work.add(whole);
    try {
      return await Promise.race([work, ended]);
    } finally {
      this.#pending.delete(reject);
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

/** Runs tasks of one key one after the other; tasks of different keys overlap. */
export class KeyedLock<K> {
  readonly #tails = new Map<K, Promise<unknown>>();

  /** Whether a task of this key is under way, or waits. */
  isBusy(key: K): boolean {
    return this.#tails.has(key);
  }

  async run<T>(key: K, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const mine = before === undefined ? task() : before.then(task, task);
    const tail = mine.catch(() => {});
    this.#tails.set(key, tail);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}
