/**
 * Native calls about sockets, where there are some.
 */
import { type Ffi, loadFfi } from "../ffi/index.ts";
import { createPosix, type Posix } from "../ffi/posix.ts";
import { canBatch } from "../sockets/message-slots.ts";

/** The native calls, once they are loaded. */
export interface Native {
  readonly ffi: Ffi;
  readonly posix: Posix;
}

let native: Native | "none" | undefined;

/** Where the native interface cannot be had, Node's own sockets do as well. */
export function loadNative(): Native | undefined {
  if (native === undefined) {
    native = "none";
    try {
      const ffi = loadFfi();
      if (canBatch(ffi)) native = { ffi, posix: createPosix(ffi) };
    } catch {
      // It is not installed, or not for this platform.
    }
  }
  return native === "none" ? undefined : native;
}
