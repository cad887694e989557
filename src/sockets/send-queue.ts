/**
 * Sends the datagrams of one turn of the event loop in one call.
 */
import { DcoError } from "../core/errors.ts";
import { errnoNumber } from "../ffi/errno.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { SendSlots, SOL_UDP, UDP_SEGMENT } from "./message-slots.ts";

const EAGAIN = errnoNumber("EAGAIN", "linux") as number;

/** What the kernel says where a message cannot be cut up: no checksums by the device, or datagrams above its MTU. */
const REFUSED_SEGMENTS = new Set(
  ["EIO", "EINVAL", "EMSGSIZE", "EOPNOTSUPP"].map((name) => errnoNumber(name, "linux")),
);

/** Datagrams of one call, and the largest that goes with others. */
const BATCH = 32;
const SLOT_BYTES = 2048;

/** What one message may hold, however it is cut up. */
const MOST_MESSAGE_BYTES = 65_000;

/** What waits while the socket's own buffer is full: so many bytes, and so long until it is tried again. */
const MOST_BYTES = 1 << 20;
const RETRY_MS = 1;

/** One more, for what goes by itself and comes from an address that was said. */
const LARGE_SLOT_BYTES = 65536;

/** The socket may be one that was the caller's. */
const MSG_DONTWAIT = 0x40;

interface Waiting {
  readonly packet: Uint8Array;
  readonly to: Uint8Array;
  readonly source: Uint8Array | undefined;
}

/** Datagrams on their way into a socket. What becomes of one nobody waits for: the network may lose it as well. */
export class SendQueue {
  readonly #ffi: Ffi;
  readonly #posix: Posix;
  readonly #fd: number;
  /** Whether the kernel cuts a message into datagrams (UDP_SEGMENT): it goes through the stack as one. */
  #segments: boolean;
  #slots: SendSlots | undefined;
  #large: SendSlots | undefined;
  #filled = 0;
  /** The first slot of each message under way. */
  readonly #firsts: number[] = [];
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(ffi: Ffi, posix: Posix, fd: number) {
    this.#ffi = ffi;
    this.#posix = posix;
    this.#fd = fd;
    this.#segments = hasSegments(posix, fd);
  }

  /**
   * Sends a datagram when this turn of the event loop ends, or before.
   *
   * @param packet is copied, or must stay as it is
   * @param to a socket address that stays as it is
   * @param source where it comes from, as `sourceControl` gives it; stays as it is
   * @returns false if too much waits
   */
  push(packet: Uint8Array, to: Uint8Array, source?: Uint8Array): boolean {
    if (this.#waitingBytes > MOST_BYTES) return false;
    if (this.#waiting.length > 0) {
      this.#wait(packet, to, source);
    } else if (packet.length > SLOT_BYTES) {
      this.flush();
      // What was before it may have to wait now.
      if (this.#waiting.length > 0 || this.#sendOne(packet, to, source) === -EAGAIN)
        this.#wait(packet, to, source);
    } else {
      this.#slots ??= new SendSlots(this.#ffi, BATCH, SLOT_BYTES);
      const slot = this.#filled++;
      this.#slots.fill(slot, packet, to, source);
      if (this.#filled === BATCH) this.flush();
      else if (slot === 0) process.nextTick(this.flush);
    }
    return true;
  }

  /** Sends what has been pushed so far. */
  readonly flush = (): void => {
    const [slots, count] = [this.#slots, this.#filled];
    if (slots === undefined || count === 0 || this.#closed) return;
    this.#filled = 0;
    for (let slot = 0; slot < count; ) {
      const messages = this.#gather(slots, slot, count);
      const sent = this.#posix.sendmmsg(this.#fd, slots.headers, messages, MSG_DONTWAIT);
      if (sent === -EAGAIN) {
        for (; slot < count; slot++)
          this.#wait(slots.copyOf(slot), slots.addressOf(slot), slots.sourceOf(slot));
        return;
      }
      const next = this.#firsts[Math.max(sent, 1)] as number;
      // Which paths refuse what is to be cut up is told by nothing else: then each datagram goes by itself.
      if (next - slot > 1 && REFUSED_SEGMENTS.has(-sent)) this.#segments = false;
      // An error is that of the first: it is lost, the others go on.
      else slot = next;
    }
  };

  /** Whether nothing waits for the socket's buffer. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** The socket is about to be closed: what can be sent at once is sent. */
  close(): void {
    this.flush();
    this.#closed = true;
    this.#waiting = [];
    clearTimeout(this.#retry);
  }

  /** Makes messages of the slots from one to another; returns how many. */
  #gather(slots: SendSlots, from: number, to: number): number {
    let messages = 0;
    for (let first = from; first < to; ) {
      const size = slots.length(first);
      let [end, last] = [first + 1, size];
      // After a shorter one none can follow.
      while (
        this.#segments &&
        end < to &&
        last === size &&
        size > 0 &&
        slots.addressOf(end) === slots.addressOf(first) &&
        slots.sourceOf(end) === slots.sourceOf(first) &&
        slots.length(end) > 0 &&
        slots.length(end) <= size &&
        (end - first + 1) * size <= MOST_MESSAGE_BYTES
      ) {
        last = slots.length(end++);
      }
      slots.message(messages, first, end - first);
      this.#firsts[messages++] = first;
      first = end;
    }
    this.#firsts[messages] = to;
    return messages;
  }

  /** Sends a datagram at once; bytes or messages, or `-errno`. */
  #sendOne(packet: Uint8Array, to: Uint8Array, source: Uint8Array | undefined): number {
    if (source === undefined) return this.#posix.sendto(this.#fd, packet, MSG_DONTWAIT, to);
    this.#large ??= new SendSlots(this.#ffi, 1, LARGE_SLOT_BYTES);
    this.#large.fill(0, packet, to, source);
    this.#large.message(0, 0, 1);
    return this.#posix.sendmmsg(this.#fd, this.#large.headers, 1, MSG_DONTWAIT);
  }

  #wait(packet: Uint8Array, to: Uint8Array, source: Uint8Array | undefined): void {
    this.#waiting.push({ packet, to, source });
    this.#waitingBytes += packet.length;
    this.#retry ??= setTimeout(() => this.#tryAgain(), RETRY_MS);
  }

  #tryAgain(): void {
    this.#retry = undefined;
    const waiting = this.#waiting;
    let done = 0;
    for (const { packet, to, source } of waiting) {
      if (this.#sendOne(packet, to, source) === -EAGAIN) break;
      done++;
      this.#waitingBytes -= packet.length;
    }
    this.#waiting = waiting.slice(done);
    if (this.#waiting.length > 0) this.#retry = setTimeout(() => this.#tryAgain(), RETRY_MS);
  }
}

/** Kernels that have no segments would send all as one datagram, and say nothing. */
function hasSegments(posix: Posix, fd: number): boolean {
  try {
    posix.getsockoptInt(fd, SOL_UDP, UDP_SEGMENT);
    return true;
  } catch (error) {
    if (DcoError.is(error)) return false;
    throw error;
  }
}
