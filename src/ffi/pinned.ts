/**
 * Memory that stays where it is: an ArrayBuffer of its own, referenced until it is freed.
 *
 * Not malloc with an external ArrayBuffer on top: Electron's V8 has no external ArrayBuffers. And bytes that
 * someone still holds after `free` are harmless, because V8 owns them.
 */
import { DcoError, invalid } from "../core/errors.ts";
import type { PinnedMemory } from "./types.ts";

/** What is not freed yet; the kernel may be writing to it. */
const pinned = new Set<Buffer>();

/**
 * Allocates zeroed pinned memory.
 *
 * @param addressOf how the adapter finds an address
 */
export function allocatePinned(size: number, addressOf: (bytes: Uint8Array) => bigint): PinnedMemory {
  if (!Number.isSafeInteger(size) || size < 1) throw invalid("size", "must be an integer from 1");
  let bytes: Buffer | undefined = Buffer.from(new ArrayBuffer(size));
  const address = addressOf(bytes);
  pinned.add(bytes);
  const live = (): Buffer => {
    if (bytes === undefined) throw new DcoError("closed", "the memory has been freed");
    return bytes;
  };
  return {
    get address() {
      live();
      return address;
    },
    get bytes() {
      return live();
    },
    free() {
      if (bytes === undefined) return;
      bytes.fill(0);
      pinned.delete(bytes);
      bytes = undefined;
    },
  };
}
