/**
 * Memory for many datagrams in one call: `struct mmsghdr` of 64-bit Linux, each with its buffer and its address.
 *
 *     struct mmsghdr {                    words of 4 bytes
 *       void *msg_name;                    0
 *       socklen_t msg_namelen;             2
 *       struct iovec *msg_iov;             4    one: base 0, length 2
 *       size_t msg_iovlen;                 6
 *       void *msg_control;                 8    none
 *       size_t msg_controllen;            10
 *       int msg_flags;                    12
 *       unsigned int msg_len;             14
 *     };
 */
import type { Ffi } from "../ffi/index.ts";
import { SOCKADDR_BYTES } from "../ffi/sockaddr.ts";

const HEADER_BYTES = 64;
const HEADER_WORDS = HEADER_BYTES / 4;
const NAME_LENGTH = 2;
const MESSAGE_LENGTH = 14;
const VECTOR_BYTES = 16;
const VECTOR_WORDS = VECTOR_BYTES / 4;
/** An address, up to the next 8 bytes. */
const NAME_BYTES = 32;
const NAME_WORDS = NAME_BYTES / 4;

/** Slots of one size, for one direction. */
export class MessageSlots {
  readonly count: number;
  readonly slotBytes: number;
  /** What the system call takes: all headers. */
  readonly headers: Buffer;
  /** The buffers, one behind the other. */
  readonly data: Buffer;
  readonly #words: Uint32Array;
  readonly #bytes: Buffer;
  readonly #vectors: number;
  readonly #names: number;

  /** The memory is not touched, and so costs nothing, before it is used. */
  constructor(ffi: Ffi, count: number, slotBytes: number) {
    this.count = count;
    this.slotBytes = slotBytes;
    const vectors = count * HEADER_BYTES;
    const names = vectors + count * VECTOR_BYTES;
    const data = names + count * NAME_BYTES;
    const bytes = Buffer.from(new ArrayBuffer(data + count * slotBytes));
    const address = ffi.addressOf(bytes);
    for (let slot = 0; slot < count; slot++) {
      const header = slot * HEADER_BYTES;
      const vector = vectors + slot * VECTOR_BYTES;
      bytes.writeBigUInt64LE(address + BigInt(names + slot * NAME_BYTES), header);
      bytes.writeUInt32LE(SOCKADDR_BYTES, header + NAME_LENGTH * 4);
      bytes.writeBigUInt64LE(address + BigInt(vector), header + 16);
      bytes.writeBigUInt64LE(1n, header + 24);
      bytes.writeBigUInt64LE(address + BigInt(data + slot * slotBytes), vector);
      bytes.writeBigUInt64LE(BigInt(slotBytes), vector + 8);
    }
    this.#bytes = bytes;
    this.#words = new Uint32Array(bytes.buffer, 0, data / 4);
    this.#vectors = vectors / 4;
    this.#names = names / 4;
    this.headers = bytes.subarray(0, vectors);
    this.data = bytes.subarray(data);
  }

  /** The bytes that came into a slot, as a view; they stand until the next call. */
  received(slot: number): Buffer {
    const at = slot * this.slotBytes;
    return this.data.subarray(at, at + (this.#words[slot * HEADER_WORDS + MESSAGE_LENGTH] as number));
  }

  /** Makes a slot ready to receive again: the kernel has written how long the address was. */
  renew(slot: number): void {
    this.#words[slot * HEADER_WORDS + NAME_LENGTH] = SOCKADDR_BYTES;
  }

  /** The address in a slot, as a view. */
  name(slot: number): Buffer {
    const at = (this.#names + slot * NAME_WORDS) * 4;
    return this.#bytes.subarray(at, at + SOCKADDR_BYTES);
  }

  /** Whether the first bytes of the address in a slot, all but what an IPv4 one has not, are these. */
  isName(slot: number, words: Uint32Array): boolean {
    const at = this.#names + slot * NAME_WORDS;
    for (let word = 0; word < words.length; word++) if (this.#words[at + word] !== words[word]) return false;
    return true;
  }

  /** The address in a slot, as words, to compare with. */
  nameWords(slot: number): Uint32Array {
    const at = this.#names + slot * NAME_WORDS;
    const words = (this.#words[slot * HEADER_WORDS + NAME_LENGTH] as number) / 4;
    return this.#words.slice(at, at + words);
  }

  /** Puts a datagram of at most `slotBytes` into a slot. */
  fill(slot: number, packet: Uint8Array): void {
    this.data.set(packet, slot * this.slotBytes);
    this.#words[this.#vectors + slot * VECTOR_WORDS + 2] = packet.length;
  }

  /** Where the datagram in a slot goes. */
  address(slot: number, to: Uint8Array): void {
    this.#bytes.set(to, (this.#names + slot * NAME_WORDS) * 4);
    this.#words[slot * HEADER_WORDS + NAME_LENGTH] = to.length;
  }

  /** A copy of the datagram in a slot. */
  copyOf(slot: number): Buffer {
    const at = slot * this.slotBytes;
    const length = this.#words[this.#vectors + slot * VECTOR_WORDS + 2] as number;
    return Buffer.from(this.data.subarray(at, at + length));
  }

  /** The headers from this slot on. */
  headersFrom(slot: number): Buffer {
    return slot === 0 ? this.headers : this.headers.subarray(slot * HEADER_BYTES);
  }
}

/** Whether this machine has these structures, and something that watches sockets. */
export function canBatch(ffi: Ffi): boolean {
  const known = process.platform === "linux" && ["x64", "arm64"].includes(process.arch);
  return known && ffi.features.fdWatcher;
}
