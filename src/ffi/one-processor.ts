/**
 * System calls of Linux on one processor, always the same one: for what a kernel defers to a queue of the processor that
 * asked, and does badly on two at the same time.
 */
import type { Ffi } from "./types.ts";
import { THIS_PROCESS } from "./types.ts";

/** Bytes of a set of processors: as many as any kernel is built for (CONFIG_NR_CPUS, 8192). */
const SET_BYTES = 1024;

/** Runs something synchronous that makes system calls; returns what it returns, and throws what it throws. */
export type OneProcessor = <T>(body: () => T) => T;

/**
 * The processor is the first that the thread may use, so that threads and processes with the same choice agree. Afterwards
 * the thread may use those that it could before, but as a choice of its own: if its cpuset grows, it does not follow. Where
 * the system does not let it choose, `body` runs all the same.
 */
export function createOneProcessor(ffi: Ffi): OneProcessor {
  const libc = ffi.library([THIS_PROCESS]);
  if (!libc.has("sched_getaffinity") || !libc.has("sched_setaffinity")) return (body) => body();
  // 0 is the calling thread.
  const get = libc.func("sched_getaffinity", "i32", ["i32", "usize", "buffer"], { errno: true });
  const set = libc.func("sched_setaffinity", "i32", ["i32", "usize", "buffer"], { errno: true });
  const all = Buffer.alloc(SET_BYTES);
  const first = Buffer.alloc(SET_BYTES);
  return (body) => {
    all.fill(0);
    if (get(0, SET_BYTES, all) < 0 || !takeFirst(all, first) || set(0, SET_BYTES, first) < 0) return body();
    // Kept apart: what runs may come here again.
    const before = Buffer.from(all);
    try {
      return body();
    } finally {
      set(0, SET_BYTES, before);
    }
  };
}

/** Sets `first` to the lowest processor of `all`; false if there is only that, or none. */
export function takeFirst(all: Uint8Array, first: Uint8Array): boolean {
  const at = all.findIndex((byte) => byte !== 0);
  if (at < 0) return false;
  const byte = all[at] as number;
  // Words of the kernel's are little-endian on the machines that this runs on: bytes count up.
  const lowest = byte & -byte;
  first.fill(0);
  first[at] = lowest;
  return byte !== lowest || all.findIndex((other, n) => n > at && other !== 0) >= 0;
}
