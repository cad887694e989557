/**
 * How calls end early: by an AbortSignal, or because what they were made on was closed.
 */
import { DcoError, type Effect } from "./errors.ts";
import type { Maybe } from "./maybe.ts";

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
  readonly #calls = new Set<GuardedCall>();
  /** Who waits until there are none. */
  #idle: (() => void)[] = [];
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
    for (const call of this.#calls) {
      call.leave(new DcoError("closed", `${this.#what} was closed during the call`, { effect: "unknown" }));
    }
  }

  /** Waits until nothing is at work any more, what was abandoned included. */
  async settled(): Promise<void> {
    while (this.#calls.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
  }

  /**
   * Waits for `work`, or for the abort or the close, whichever is first.
   *
   * @param undo takes back a result that came after the caller had been told otherwise
   * @param abortEffect what an aborted call leaves behind; default `unknown`
   */
  guard<T>(
    work: Promise<T>,
    signal?: AbortSignal,
    { undo, abortEffect = "unknown" }: GuardOptions<T> = {},
  ): Promise<T> {
    // One promise: this is on the way of every call.
    return new Promise((resolve, reject) => {
      const onAbort = () =>
        call.leave(
          new DcoError("aborted", "the call was aborted while the kernel was at work", {
            effect: abortEffect,
            cause: signal?.reason,
          }),
        );
      const call: GuardedCall = {
        left: false,
        leave(error) {
          call.left = true;
          signal?.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      this.#calls.add(call);
      signal?.addEventListener("abort", onAbort, { once: true });
      if (this.#closed) call.leave(new DcoError("closed", `${this.#what} is closed`, { effect: "unknown" }));
      work.then(
        (result) => {
          if (call.left) {
            void this.#takeBack(call, result, undo);
            return;
          }
          signal?.removeEventListener("abort", onAbort);
          this.#over(call);
          resolve(result);
        },
        (error) => {
          signal?.removeEventListener("abort", onAbort);
          this.#over(call);
          reject(error);
        },
      );
    });
  }

  /** The caller has been told otherwise. */
  async #takeBack<T>(call: GuardedCall, result: T, undo: GuardOptions<T>["undo"]): Promise<void> {
    try {
      await undo?.(result);
    } catch {
      // Nobody waits for it any more.
    } finally {
      this.#over(call);
    }
  }

  #over(call: GuardedCall): void {
    this.#calls.delete(call);
    if (this.#calls.size === 0) for (const wake of this.#idle.splice(0)) wake();
  }
}

/** A call in flight, until its work has settled. */
interface GuardedCall {
  /** Its caller has been told that it failed. */
  left: boolean;
  leave(error: DcoError): void;
}

/** Runs tasks of one key one after the other; tasks of different keys overlap. */
export class KeyedLock<K> {
  readonly #tails = new Map<K, Promise<unknown>>();
  /** A task is on the stack: whether it takes longer is not known yet. */
  #running = false;

  /** Whether a task of this key is under way, or waits. */
  isBusy(key: K): boolean {
    return this.#tails.has(key);
  }

  /** A task that is over at once has its result at once, where nothing is in its way. */
  run<T>(key: K, task: () => Maybe<T>): Maybe<T> {
    const before = this.#tails.get(key);
    if (before !== undefined) return this.#hold(key, before.then(task, task));
    // A task begins another (a trace callback of the caller's does).
    if (this.#running) return Promise.resolve().then(() => this.run(key, task));
    this.#running = true;
    let result: Maybe<T>;
    try {
      result = task();
    } finally {
      this.#running = false;
    }
    return result instanceof Promise ? this.#hold(key, result) : result;
  }

  #hold<T>(key: K, mine: Promise<T>): Promise<T> {
    this.#tails.set(key, mine);
    const over = () => {
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
    };
    mine.then(over, over);
    return mine;
  }
}
