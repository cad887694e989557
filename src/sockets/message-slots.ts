/**
 * Memory for many datagrams in one system call: `struct mmsghdr` of 64-bit Linux, each with buffers and an address.
 *
 *     struct mmsghdr {                    words of 4 bytes
 *       void *msg_name;                    0
 *       socklen_t msg_namelen;             2
 *       struct iovec *msg_iov;             4    each: base 0, length 2
 *       size_t msg_iovlen;                 6
 *       void *msg_control;                 8
 *       size_t msg_controllen;            10
 *       int msg_flags;                    12
 *       unsigned int msg_len;             14
 *     };
 */
import type { Ffi } from "../ffi/index.ts";
import { SOCKADDR_BYTES } from "../ffi/sockaddr.ts";

const HEADER_BYTES = 64;
const HEADER_WORDS = HEADER_BYTES / 4;
const HEADER_QUADS = HEADER_BYTES / 8;
const NAME_LENGTH = 2;
const VECTORS = 6;
const CONTROL_LENGTH = 10;
const MESSAGE_LENGTH = 14;
const VECTOR_BYTES = 16;
const VECTOR_WORDS = VECTOR_BYTES / 4;
const VECTOR_LENGTH = 2;
/** An address, up to the next 8 bytes. */
const NAME_BYTES = 32;
const NAME_WORDS = NAME_BYTES / 4;

/** struct cmsghdr with a `uint16_t`: its length, level, type, and the size of the segments (linux/udp.h). */
const SEGMENT_BYTES = 24;
export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;

/** That, and where a message comes from (`sourceControl`). */
const CONTROL_BYTES = SEGMENT_BYTES + 40;

/** Slots with a buffer, an address and an iovec each; the headers are the directions' own. */
class Slots {
  readonly count: number;
  readonly slotBytes: number;
  /** What the system call takes. */
  readonly headers: Buffer;
  protected readonly bytes: Buffer;
  protected readonly words: Uint32Array;
  protected readonly quads: BigUint64Array;
  /** Where in the memory they begin. */
  protected readonly vectors: number;
  protected readonly names: number;
  protected readonly controls: number;
  protected readonly data: number;
  /** The address of the memory. */
  protected readonly address: bigint;

  /** The memory is not touched, and so costs nothing, before it is used. */
  constructor(ffi: Ffi, count: number, slotBytes: number) {
    this.count = count;
    this.slotBytes = slotBytes;
    this.vectors = count * HEADER_BYTES;
    this.names = this.vectors + count * VECTOR_BYTES;
    this.controls = this.names + count * NAME_BYTES;
    this.data = this.controls + count * CONTROL_BYTES;
    const bytes = Buffer.from(new ArrayBuffer(this.data + count * slotBytes));
    this.bytes = bytes;
    this.words = new Uint32Array(bytes.buffer, 0, this.data / 4);
    this.quads = new BigUint64Array(bytes.buffer, 0, this.data / 8);
    this.address = ffi.addressOf(bytes);
    this.headers = bytes.subarray(0, this.vectors);
    for (let slot = 0; slot < count; slot++) {
      const vector = (this.vectors + slot * VECTOR_BYTES) / 8;
      this.quads[vector] = this.address + BigInt(this.data + slot * slotBytes);
      this.quads[vector + 1] = BigInt(slotBytes);
      this.pointHeader(slot, slot);
    }
  }

  /** Lets a header begin with what is in a slot. */
  protected pointHeader(header: number, slot: number): void {
    const at = header * HEADER_QUADS;
    this.quads[at] = this.address + BigInt(this.names + slot * NAME_BYTES);
    this.quads[at + 2] = this.address + BigInt(this.vectors + slot * VECTOR_BYTES);
    this.words[header * HEADER_WORDS + NAME_LENGTH] = SOCKADDR_BYTES;
    this.words[header * HEADER_WORDS + VECTORS] = 1;
  }
}

/** Slots that the kernel fills. */
export class ReceiveSlots extends Slots {
  /** What came into a slot, as a view; it stands until the next call. */
  packet(slot: number): Buffer {
    const at = this.data + slot * this.slotBytes;
    return this.bytes.subarray(at, at + (this.words[slot * HEADER_WORDS + MESSAGE_LENGTH] as number));
  }

  /** Makes a slot ready to receive again: the kernel has written how long the address was. */
  renew(slot: number): void {
    this.words[slot * HEADER_WORDS + NAME_LENGTH] = SOCKADDR_BYTES;
  }

  /** The sender's address, as a view. */
  sender(slot: number): Buffer {
    const at = this.names + slot * NAME_BYTES;
    return this.bytes.subarray(at, at + SOCKADDR_BYTES);
  }

  /** The sender's address as it is compared. */
  senderWords(slot: number): Uint32Array {
    const at = this.names / 4 + slot * NAME_WORDS;
    const words = (this.words[slot * HEADER_WORDS + NAME_LENGTH] as number) / 4;
    return this.words.slice(at, at + words);
  }

  /** Whether the sender of what is in a slot is this one. */
  isSender(slot: number, words: Uint32Array): boolean {
    const at = this.names / 4 + slot * NAME_WORDS;
    for (let word = 0; word < words.length; word++) {
      if (this.words[at + word] !== words[word]) return false;
    }
    return true;
  }
}

/** Where a datagram is to come from, as a control message (`struct in_pktinfo`, `struct in6_pktinfo`). */
export function sourceControl(address: Uint8Array): Uint8Array {
  const v4 = address.length === 4;
  const control = Buffer.alloc(v4 ? 32 : 40);
  // Its length without what fills it up; level and type: IP_PKTINFO, IPV6_PKTINFO.
  control.writeBigUInt64LE(v4 ? 28n : 36n);
  control.writeInt32LE(v4 ? 0 : 41, 8);
  control.writeInt32LE(v4 ? 8 : 50, 12);
  // For IPv4 an index of 0 comes first, for IPv6 last.
  control.set(address, v4 ? 20 : 16);
  return control;
}

/** Slots that are filled here; several that follow each other may go as one message, which is cut up again below. */
export class SendSlots extends Slots {
  /** Where what is in a slot goes, as it was given. */
  readonly #addresses: (Uint8Array | undefined)[] = [];
  /** Where it comes from, as `sourceControl` gives it, if that was said. */
  readonly #sources: (Uint8Array | undefined)[] = [];

  constructor(ffi: Ffi, count: number, slotBytes: number) {
    super(ffi, count, slotBytes);
    for (let header = 0; header < count; header++) {
      const control = this.controls + header * CONTROL_BYTES;
      this.quads[header * HEADER_QUADS + 4] = this.address + BigInt(control);
    }
  }

  /** Puts a datagram of at most `slotBytes` into a slot. */
  fill(slot: number, packet: Uint8Array, to: Uint8Array, source?: Uint8Array): void {
    this.#sources[slot] = source;
    this.bytes.set(packet, this.data + slot * this.slotBytes);
    this.words[this.vectors / 4 + slot * VECTOR_WORDS + VECTOR_LENGTH] = packet.length;
    if (this.#addresses[slot] === to) return;
    this.bytes.set(to, this.names + slot * NAME_BYTES);
    this.#addresses[slot] = to;
  }

  length(slot: number): number {
    return this.words[this.vectors / 4 + slot * VECTOR_WORDS + VECTOR_LENGTH] as number;
  }

  addressOf(slot: number): Uint8Array {
    return this.#addresses[slot] as Uint8Array;
  }

  sourceOf(slot: number): Uint8Array | undefined {
    return this.#sources[slot];
  }

  /** A copy of the datagram in a slot. */
  copyOf(slot: number): Buffer {
    const at = this.data + slot * this.slotBytes;
    return Buffer.from(this.bytes.subarray(at, at + this.length(slot)));
  }

  /**
   * Makes a message of some slots: all come from one address and go to one, and all but the last are as long as the first.
   */
  message(header: number, slot: number, count: number): void {
    this.pointHeader(header, slot);
    const at = header * HEADER_WORDS;
    this.words[at + NAME_LENGTH] = this.addressOf(slot).length;
    this.words[at + VECTORS] = count;
    const source = this.#sources[slot];
    let control = this.controls + header * CONTROL_BYTES;
    this.words[at + CONTROL_LENGTH] = (source?.length ?? 0) + (count > 1 ? SEGMENT_BYTES : 0);
    if (source) {
      this.bytes.set(source, control);
      control += source.length;
    }
    if (count === 1) return;
    this.quads[control / 8] = BigInt(SEGMENT_BYTES - 6);
    this.words[control / 4 + 2] = SOL_UDP;
    this.words[control / 4 + 3] = UDP_SEGMENT;
    this.words[control / 4 + 4] = this.length(slot);
  }
}

/** Whether this machine has these structures, and something that watches sockets. */
export function canBatch(ffi: Ffi): boolean {
  const known = process.platform === "linux" && ["x64", "arm64"].includes(process.arch);
  return known && ffi.features.fdWatcher;
}
