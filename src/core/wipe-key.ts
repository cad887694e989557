/**
 * Key bytes of the caller's that are to be gone.
 */
import { types } from "node:util";
import type { KeyDirection, KeyOptions } from "./model.ts";

/** Zeroes the four arrays of a key, whatever else is wrong with it. */
export function wipeKey(key: { readonly encrypt?: KeyDirection; readonly decrypt?: KeyDirection }): void {
  for (const direction of [key.encrypt, key.decrypt]) {
    for (const bytes of [direction?.key, direction?.nonceTail]) {
      // Not by instanceof: the arrays of another realm are taken as well.
      if (types.isUint8Array(bytes)) bytes.fill(0);
    }
  }
}

/** As {@link wipeKey}, of a key that says so itself. It may have been refused: nothing is known of its shape. */
export function wipeIfWanted(read: () => unknown): void {
  try {
    const key = read() as Partial<KeyOptions>;
    if (key.wipe === true) wipeKey(key);
  } catch {
    // It cannot be read, so it is no key: the call says that.
  }
}

/** Whether there is nothing in it: it was wiped, or never filled. */
export function isWiped(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
