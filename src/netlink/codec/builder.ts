/**
 * Requests are written here: one or many messages in one growing buffer that is used again and again.
 *
 * Every message and attribute starts on a multiple of four bytes, so a header is one or more whole 32-bit
 * words: they are stored through a Uint32Array, which needs neither a call nor an allocation. The packing of
 * two 16-bit fields in a word assumes a little-endian machine. All hosts that the package supports are
 * (x86-64, arm64); the constructor refuses any other.
 */

import { endianness } from "node:os";
import { DcoError, invalid } from "../../core/errors.ts";
import { align4, NLA_F_NESTED, NLA_HEADER, NLA_MAX, NLMSG_HEADER } from "./constants.ts";

const MINIMUM_CAPACITY = 256;

/**
 * Builds netlink messages; see the module's comment.
 *
 * Values that do not fit their attribute's type throw a `DcoError` with code `invalid` that names the
 * attribute's number; the message under construction is then dropped by the next `beginMessage`, `bytes`,
 * `reset` or `wipe`. Views handed out by `bytes()` and `message()` are valid until the next write.
 */
export class MessageBuilder {
  #buffer: Buffer;
  #words: Uint32Array;
  #length = 0;
  /** The most bytes in use since the last wipe: what a wipe has to clear. */
  #used = 0;
  /** Where the message under construction starts; -1 when there is none. */
  #open = -1;
  /** Where each finished message starts: the first `#count` of them. To cut an array costs more than all else here. */
  readonly #starts: number[] = [];
  #count = 0;

  /** @param capacity bytes to begin with; the buffer doubles when they do not suffice */
  constructor(capacity = 4096) {
    if (endianness() !== "LE") {
      throw new DcoError("unavailable", "the netlink codec needs a little-endian machine");
    }
    this.#buffer = Buffer.alloc(align4(Math.max(capacity, MINIMUM_CAPACITY)));
    this.#words = wordsOf(this.#buffer);
  }

  /** How many finished messages the builder holds. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of the finished messages. */
  get length(): number {
    return this.#open < 0 ? this.#length : this.#open;
  }

  /** The finished messages, one after the other: a view, not a copy. */
  bytes(): Buffer {
    this.#dropUnfinished();
    return this.#buffer.subarray(0, this.#length);
  }

  /** The finished message number `index`, from 0: a view, not a copy. */
  message(index: number): Buffer {
    const start = index < this.#count ? this.#starts[index] : undefined;
    if (start === undefined) throw new RangeError(`no message ${index} in the builder`);
    const next = index + 1 < this.#count ? this.#starts[index + 1] : undefined;
    return this.#buffer.subarray(start, next ?? this.length);
  }

  /** Forgets all messages, without clearing their bytes. */
  reset(): void {
    this.#length = 0;
    this.#open = -1;
    this.#count = 0;
  }

  /** Forgets all messages, and zeroes every byte written since the last wipe. */
  wipe(): void {
    this.reset();
    this.#words.fill(0, 0, (this.#used + 3) >> 2);
    this.#used = 0;
  }

  /** Takes flags back from all finished messages but the last. */
  clearFlagsBeforeLast(flags: number): void {
    const last = this.#count - 1;
    for (let n = 0; n < last; n++) this.#clearFlags(n, flags);
  }

  /** Takes flags back from the last finished message. */
  clearFlagsOfLast(flags: number): void {
    if (this.#count > 0) this.#clearFlags(this.#count - 1, flags);
  }

  #clearFlags(n: number, flags: number): void {
    const word = ((this.#starts[n] as number) >> 2) + 1;
    this.#words[word] = (this.#words[word] as number) & ~(flags << 16);
  }

  /** Starts a message; its length is filled in by `endMessage`. */
  beginMessage(type: number, flags: number, sequence: number, portId = 0): void {
    this.#dropUnfinished();
    const at = this.#reserve(NLMSG_HEADER);
    const word = at >> 2;
    this.#open = at;
    this.#words[word] = 0;
    this.#words[word + 1] = type | (flags << 16);
    this.#words[word + 2] = sequence;
    this.#words[word + 3] = portId;
  }

  /** Finishes the message that `beginMessage` started. */
  endMessage(): void {
    const start = this.#open;
    if (start < 0) throw new RangeError("endMessage without beginMessage");
    this.#words[start >> 2] = this.#length - start;
    this.#starts[this.#count++] = start;
    this.#open = -1;
  }

  /** Four bytes of a family's own header, as one little-endian word. */
  word(value: number): void {
    const at = this.#reserve(4);
    this.#words[at >> 2] = value;
  }

  /** genlmsghdr: command u8, version u8, reserved u16. */
  genlHeader(command: number, version = 1): void {
    this.word(command | (version << 8));
  }

  /** Starts a nested attribute, and returns what `endNest` needs. */
  beginNest(type: number): number {
    const at = this.#reserve(NLA_HEADER);
    this.#words[at >> 2] = (type | NLA_F_NESTED) << 16;
    return at;
  }

  /** Finishes the nested attribute that `beginNest` started. */
  endNest(nest: number): void {
    const length = this.#length - nest;
    const word = nest >> 2;
    const header = this.#words[word] as number;
    if (length > NLA_MAX) throw tooLong((header >>> 16) & ~NLA_F_NESTED, length);
    this.#words[word] = header | length;
  }

  u8(type: number, value: number): void {
    if ((value & 0xff) !== value) throw outOfRange(type, "u8", value);
    this.#put(5, type, value);
  }

  u16(type: number, value: number): void {
    if ((value & 0xffff) !== value) throw outOfRange(type, "u16", value);
    this.#put(6, type, value);
  }

  /** A u16 in network byte order, such as a port. */
  u16be(type: number, value: number): void {
    if ((value & 0xffff) !== value) throw outOfRange(type, "u16", value);
    this.#put(6, type, (value >> 8) | ((value & 0xff) << 8));
  }

  u32(type: number, value: number): void {
    if (value >>> 0 !== value) throw outOfRange(type, "u32", value);
    this.#put(8, type, value);
  }

  s32(type: number, value: number): void {
    if ((value | 0) !== value) throw outOfRange(type, "s32", value);
    this.#put(8, type, value);
  }

  u64(type: number, value: bigint): void {
    if (BigInt.asUintN(64, value) !== value) throw outOfRange(type, "u64", value);
    const at = this.#reserve(12) >> 2;
    this.#words[at] = 12 | (type << 16);
    this.#words[at + 1] = Number(value & 0xffffffffn);
    this.#words[at + 2] = Number(value >> 32n);
  }

  /** The kernel's variable unsigned integer: 4 bytes when the value fits a u32, else 8. */
  uint(type: number, value: bigint): void {
    if (value >= 0n && value <= 0xffffffffn) this.u32(type, Number(value));
    else this.u64(type, value);
  }

  /** An attribute without payload: its presence is its meaning. */
  flag(type: number): void {
    const at = this.#reserve(NLA_HEADER);
    this.#words[at >> 2] = NLA_HEADER | (type << 16);
  }

  /** Bytes as they are, such as an address in network order or a key. */
  data(type: number, value: Uint8Array): void {
    const length = NLA_HEADER + value.length;
    if (length > NLA_MAX) throw tooLong(type, length);
    const at = this.#reserve(align4(length));
    this.#words[at >> 2] = length | (type << 16);
    // The last word first, so that the padding is zero.
    if ((length & 3) !== 0) this.#words[(at + length) >> 2] = 0;
    this.#buffer.set(value, at + NLA_HEADER);
  }

  /** A string in UTF-8 with the NUL that the kernel's string attributes end in. */
  string(type: number, value: string): void {
    if (value.includes("\0")) throw invalid(`attribute ${type}`, "a string with a NUL character");
    const size = Buffer.byteLength(value);
    const length = NLA_HEADER + size + 1;
    if (length > NLA_MAX) throw tooLong(type, length);
    const at = this.#reserve(align4(length));
    this.#words[at >> 2] = length | (type << 16);
    this.#words[(align4(length) + at - 4) >> 2] = 0;
    this.#buffer.write(value, at + NLA_HEADER, size, "utf8");
    this.#buffer[at + length - 1] = 0;
  }

  /** An attribute whose payload is at most one word. */
  #put(length: number, type: number, value: number): void {
    const at = this.#reserve(8) >> 2;
    this.#words[at] = length | (type << 16);
    this.#words[at + 1] = value;
  }

  /** Makes room for `size` bytes, a multiple of four, and returns where they start. */
  #reserve(size: number): number {
    const at = this.#length;
    const end = at + size;
    if (end > this.#buffer.length) this.#grow(end);
    this.#length = end;
    if (end > this.#used) this.#used = end;
    return at;
  }

  #grow(needed: number): void {
    let capacity = this.#buffer.length;
    while (capacity < needed) capacity *= 2;
    const larger = Buffer.alloc(capacity);
    larger.set(this.#buffer.subarray(0, this.#length));
    // The smaller buffer may hold keys, and is about to become garbage.
    this.#buffer.fill(0, 0, this.#used);
    this.#used = this.#length;
    this.#buffer = larger;
    this.#words = wordsOf(larger);
  }

  #dropUnfinished(): void {
    if (this.#open < 0) return;
    this.#length = this.#open;
    this.#open = -1;
  }
}

function wordsOf(buffer: Buffer): Uint32Array {
  return new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length >> 2);
}

function outOfRange(type: number, kind: string, value: number | bigint): DcoError {
  return invalid(`attribute ${type & ~NLA_F_NESTED}`, `${value} is not a ${kind}`);
}

function tooLong(type: number, length: number): DcoError {
  return invalid(`attribute ${type}`, `${length} bytes do not fit the ${NLA_MAX} of a netlink attribute`);
}
