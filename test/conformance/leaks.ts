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

/** Time that closing handles get before they count as leaked. */
const GRACE_MS = 3000;

/** Compares the process now with what it was before a case. */
export class LeakCheck {
  #before: Holdings;

  private constructor(before: Holdings) {
    this.#before = before;
  }

  /** libuv's pool is started first, since it stays. */
  static async begin(): Promise<LeakCheck> {
    await Promise.all(Array.from({ length: 16 }, () => stat("/")));
    return new LeakCheck(holdings());
  }

  /** What came since the last time and is still there. */
  async found(): Promise<string[]> {
    const deadline = performance.now() + GRACE_MS;
    for (;;) {
      const now = holdings();
      const found = difference(this.#before, now);
      if (found.length === 0 || performance.now() > deadline) {
        this.#before = now;
        return found;
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

function difference(before: Holdings, now: Holdings): string[] {
  const found: string[] = [];
  for (const [fd, what] of now.descriptors) {
    if (before.descriptors.get(fd) !== what) found.push(`descriptor ${fd} (${what})`);
  }
  for (const [thread, name] of now.threads) {
    if (!before.threads.has(thread) && !name.startsWith("libuv-worker"))
      found.push(`thread ${thread} (${name})`);
  }
  return found;
}
