/**
 * Keeps koffi's binary in memory after the thread that loaded it has ended.
 *
 * When a worker ends, Node unloads the native modules that no other thread has. libuv closes handles after
 * that, and would call koffi's code where it no longer is (seen on Node 22, 24 and 26 as a crash of the
 * process at `worker.terminate()` with a watcher open).
 */
import type { Ffi } from "./types.ts";
import { THIS_PROCESS } from "./types.ts";

const RTLD_NOW = 2;
const RTLD_NODELETE = 0x1000;
/** Only if it is loaded already; dlfcn.h of each system. */
const RTLD_NOLOAD: Partial<Record<NodeJS.Platform, number>> = { linux: 4, freebsd: 0x2000 };

let kept = false;

/** Needs libc's dladdr and dlopen, and an address inside koffi's binary: that of a callback. */
export function keepKoffiLoaded(ffi: Ffi): void {
  const noLoad = RTLD_NOLOAD[process.platform];
  if (kept || noLoad === undefined) return;
  const libc = ffi.library([THIS_PROCESS]);
  const dladdr = libc.func("dladdr", "i32", ["pointer", "buffer"]);
  const dlopen = libc.func("dlopen", "pointer", ["pointer", "i32"]);
  const inside = ffi.callback("void", [], () => undefined);
  try {
    // Dl_info: file name, base, symbol name, symbol; four pointers.
    const info = Buffer.alloc(32);
    if (dladdr(inside.pointer, info) === 0) return;
    kept = dlopen(info.readBigUInt64LE(0), RTLD_NOW | RTLD_NODELETE | noLoad) !== 0n;
  } finally {
    inside.close();
  }
}
