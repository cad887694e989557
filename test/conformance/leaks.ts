/**
 * What a case must not leave behind in this process: descriptors and threads.
 */

import { existsSync, fstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { stat } from "node:fs/promises";
import { pause } from "./expect.ts";

/** What the process has open. */
interface Holdings {
  readonly descriptors: ReadonlyMap<string, string>;
  readonly threads: ReadonlyMap<string, string>;
}

/**
 * Time that closing handles get before they count as leaked, and threads that end: one of glibc's for asynchronous I/O
 * waits a second for more work.
 */
const GRACE_MS = 3000;

/** A thread that was not there before. */
interface Suspect {
  readonly name: string;
  /** When it was first seen after a case, of `performance.now()`. */
  readonly since: number;
  /** What had just been looked at. */
  readonly after: string;
}

/**
 * Compares the process now with what it was before a case. Nobody waits for threads after each case: one that lives on
 * is told later, with the case after which it was first seen.
 */
export class LeakCheck {
  #before: Holdings;
  readonly #suspects = new Map<string, Suspect>();
  readonly #graceMs: number;

  private constructor(before: Holdings, graceMs: number) {
    this.#before = before;
    this.#graceMs = graceMs;
  }

  /** libuv's pool is started first, since it stays. */
  static async begin(graceMs = GRACE_MS): Promise<LeakCheck> {
    await Promise.all(Array.from({ length: 16 }, () => stat("/")));
    return new LeakCheck(holdings(), graceMs);
  }

  /** Descriptors that came since the last time and are still there, and threads that have been there too long. */
  async found(after: string): Promise<string[]> {
    const deadline = performance.now() + this.#graceMs;
    for (;;) {
      const now = holdings();
      const found = newDescriptors(this.#before, now);
      if (found.length > 0 && performance.now() <= deadline) {
        await pause(20);
        continue;
      }
      this.#before = { ...now, threads: this.#before.threads };
      return [...found, ...this.#lateThreads(now, after)];
    }
  }

  /** As `found`, when all is over: waits for threads as well. */
  async finish(after = "the last"): Promise<string[]> {
    const found = await this.found(after);
    while (this.#suspects.size > 0) {
      await pause(20);
      found.push(...this.#lateThreads(holdings(), after));
    }
    return found;
  }

  #lateThreads({ threads }: Holdings, after: string): string[] {
    const at = performance.now();
    for (const id of this.#suspects.keys()) {
      if (!threads.has(id)) this.#suspects.delete(id);
    }
    for (const [id, name] of threads) {
      if (this.#before.threads.has(id) || this.#suspects.has(id) || name.startsWith("libuv-worker")) continue;
      this.#suspects.set(id, { name, since: at, after });
    }
    const late = [...this.#suspects].filter(([, { since }]) => at - since > this.#graceMs);
    if (late.length > 0) this.#before = { ...this.#before, threads };
    for (const [id] of late) this.#suspects.delete(id);
    return late.map(([id, { name, after: first }]) => `thread ${id} (${name}), first seen after ${first}`);
  }
}

function holdings(): Holdings {
  return {
    descriptors: existsSync("/proc/self/fd")
      ? listing("/proc/self/fd", (name) => readlinkSync(`/proc/self/fd/${name}`))
      : listing("/dev/fd", kindOf),
    threads: listing("/proc/self/task", (name) =>
      readFileSync(`/proc/self/task/${name}/comm`, "utf8").trim(),
    ),
  };
}

/** FreeBSD (fdescfs): what kind a descriptor is of; which file it is of is not told. */
function kindOf(name: string): string {
  return `of mode ${fstatSync(Number(name)).mode.toString(8)}`;
}

function listing(folder: string, describe: (name: string) => string): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    try {
      found.set(name, describe(name));
    } catch {
      // Gone meanwhile, such as the descriptor of this very listing.
    }
  }
  return found;
}

function newDescriptors(before: Holdings, now: Holdings): string[] {
  const found: string[] = [];
  for (const [fd, what] of now.descriptors) {
    if (before.descriptors.get(fd) !== what) found.push(`descriptor ${fd} (${what})`);
  }
  return found;
}
