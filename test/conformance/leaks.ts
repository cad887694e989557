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
 * Time that closing handles get before they count as leaked, and threads that end when all is over: one of glibc's for
 * asynchronous I/O waits a second for more work.
 */
const GRACE_MS = 3000;

/**
 * Compares the process now with what it was before. Threads are waited for at the end only: the C library's are used by
 * one case after the other.
 */
export class LeakCheck {
  #before: Holdings;
  /** Threads that came, by id: after which case they were first seen. */
  readonly #came = new Map<string, string>();
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

  /** Descriptors that came since the last time and are still there. */
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
      for (const id of now.threads.keys()) if (!this.#came.has(id)) this.#came.set(id, after);
      return found;
    }
  }

  /** As `found`, when all is over: and threads that came since the beginning. */
  async finish(after = "the last"): Promise<string[]> {
    const found = await this.found(after);
    const deadline = performance.now() + this.#graceMs;
    for (;;) {
      const left = newThreads(this.#before, holdings());
      if (left.length === 0 || performance.now() > deadline) {
        const told = left.map(
          ([id, name]) => `thread ${id} (${name}), first seen after ${this.#came.get(id)}`,
        );
        return [...found, ...told];
      }
      await pause(20);
    }
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

function newThreads(before: Holdings, now: Holdings): [id: string, name: string][] {
  return [...now.threads].filter(([id, name]) => !before.threads.has(id) && !name.startsWith("libuv-worker"));
}

function newDescriptors(before: Holdings, now: Holdings): string[] {
  const found: string[] = [];
  for (const [fd, what] of now.descriptors) {
    if (before.descriptors.get(fd) !== what) found.push(`descriptor ${fd} (${what})`);
  }
  return found;
}
