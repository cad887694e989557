/**
 * A stretch of received bytes: what every decoder of the codec reads from.
 */

import { DcoError } from "../../core/errors.ts";

/** Bytes `start` to `end` (exclusive) of a datagram. Nothing outside of them is read. */
export interface Region {
  readonly bytes: Uint8Array;
  /** Over the same bytes as `bytes`, from the same first byte. */
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
}

/** All of `bytes` as a region, without a copy. */
export function regionOf(bytes: Uint8Array): Region {
  // Not a Buffer: the slice() of a Buffer shares memory, and decoded values must outlive the receive buffer.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return { bytes: plain, view, start: 0, end: bytes.length };
}

/** What the kernel sent is not what its interface says: a `DcoError` with code `protocol`. */
export function malformed(what: string, problem: string): DcoError {
  return new DcoError("protocol", `netlink: ${what}: ${problem}`, { target: what });
}
