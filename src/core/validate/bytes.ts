/**
 * Byte arrays of the caller's. Their contents never appear in a message.
 */
import { types } from "node:util";
import { invalid } from "../errors.ts";
import { kindOf } from "./shape.ts";

/** A Uint8Array whose bytes no other thread can change between the check and the use. */
export function readBytes(value: unknown, field: string): Uint8Array {
  if (value === undefined) throw invalid(field, "is missing; it must be a Uint8Array");
  if (!types.isUint8Array(value)) throw invalid(field, `must be a Uint8Array, not ${kindOf(value)}`);
  if (!(value.buffer instanceof ArrayBuffer) && types.isSharedArrayBuffer(value.buffer)) {
    throw invalid(field, "must not be in shared memory, where another thread can change it");
  }
  return value;
}

/** The same, of an exact length. */
export function readExactBytes(value: unknown, field: string, length: number, what = ""): Uint8Array {
  const bytes = readBytes(value, field);
  if (bytes.length !== length) {
    throw invalid(field, `must have ${length} bytes${what && ` for ${what}`}, not ${bytes.length}`);
  }
  return bytes;
}

/** Whether two arrays hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
