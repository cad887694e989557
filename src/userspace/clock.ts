/**
 * Time, as the data plane sees it.
 */

/** Tells the time and waits. */
export interface Clock {
  /** Milliseconds since some moment; only goes forward. */
  now(): number;
  /** Calls `task` once, after so many milliseconds; returns what takes that back. */
  after(milliseconds: number, task: () => void): () => void;
  /** Resolves when packets that have arrived by now have been read. */
  caughtUp(): Promise<void>;
}

/** The longest time that a timer of Node's takes. */
const LONGEST_MS = 2 ** 31 - 1;

/** This machine's. It keeps no process alive, and a clock that is set does not touch it. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after(milliseconds, task) {
    const timer = setTimeout(task, Math.min(milliseconds, LONGEST_MS)).unref();
    return () => clearTimeout(timer);
  },
  caughtUp: socketsRead,
};

/**
 * Resolves when packets that have arrived by now have been read: between timers and immediates the event loop looks at
 * its sockets, and some of them are read by an immediate of that turn.
 */
export function socketsRead(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
