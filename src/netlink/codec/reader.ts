/**
 * Walks the attributes of a region without copying them.
 */

import { align4, NLA_HEADER, NLA_TYPE_MASK } from "./constants.ts";
import type { Region } from "./region.ts";
import { malformed } from "./region.ts";

/**
 * A cursor over attributes: after `next()` returned true, `type`, `start` and `end` describe one of them.
 *
 * It is a region itself: the payload of the current attribute, so that a nest is read by
 * `new AttributeReader(reader, reader.start)`.
 */
export class AttributeReader implements Region {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The current attribute's number, without the two flag bits. */
  type = 0;
  /** Where the current attribute's header starts. */
  offset = 0;
  /** The current attribute's payload. */
  start = 0;
  end = 0;
  readonly #limit: number;
  #next: number;

  /**
   * @param region what holds the attributes
   * @param from where the first one starts, behind the family's own header
   */
  constructor(region: Region, from: number = region.start) {
    this.bytes = region.bytes;
    this.view = region.view;
    this.#limit = region.end;
    this.#next = from;
  }

  /** Payload bytes of the current attribute. */
  get length(): number {
    return this.end - this.start;
  }

  /**
   * Moves to the next attribute; false at the end.
   *
   * @throws DcoError `protocol` for a header that is cut off, and a length below 4 or beyond the region
   */
  next(): boolean {
    const at = this.#next;
    if (at >= this.#limit) return false;
    const length = attributeLength(this.view, at, this.#limit);
    this.type = attributeType(this.view, at);
    this.offset = at;
    this.start = at + NLA_HEADER;
    this.end = at + length;
    this.#next = at + align4(length);
    return true;
  }
}

/** The length of the attribute at `at`, header included, checked against what is left up to `end`. */
export function attributeLength(view: DataView, at: number, end: number): number {
  const room = end - at;
  if (room < NLA_HEADER) throw malformed("attribute", `${room} bytes where a header should be`);
  const length = view.getUint16(at, true);
  if (length < NLA_HEADER) throw malformed("attribute", `length ${length} is below its header`);
  if (length > room) throw malformed("attribute", `length ${length} of ${room} bytes`);
  return length;
}

/** The number of the attribute at `at`, without the two flag bits. */
export function attributeType(view: DataView, at: number): number {
  return view.getUint16(at + 2, true) & NLA_TYPE_MASK;
}
