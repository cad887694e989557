/**
 * Watching a socket in the event loop, where it may be that nothing can: then it is looked at again and again.
 */
import type { FdWatcher, Ffi, WatchOptions } from "../ffi/index.ts";

/** How often a socket that nothing watches is looked at. */
const LOOK_MS = 10;

/** @param read reads until nothing is left; it may be called for nothing */
export function watch(ffi: Ffi, fd: number, read: () => void, options: WatchOptions = {}): FdWatcher {
  if (ffi.features.fdWatcher) return ffi.watchReadable(fd, read, options);
  const timer = setInterval(read, LOOK_MS);
  if (options.ref === false) timer.unref();
  return { close: () => clearInterval(timer) };
}
