/**
 * Sends the datagrams of one turn of the event loop in one call.
 */
import { errnoNumber } from "../ffi/errno.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { MessageSlots } from "./message-slots.ts";

const EAGAIN = errnoNumber("EAGAIN", "linux") as number;

/** Datagrams of one call, and the largest that goes with others. */
const BATCH = 32;
const SLOT_BYTES = 2048;

/** What waits while the socket's own buffer is full: so many bytes, and so long until it is tried again. */
const MOST_BYTES = 1 << 20;
const RETRY_MS = 1;

interface Waiting {
  readonly packet: Uint8Array;
  readonly to: Uint8Array;
}

/** Datagrams on their way into a socket. What becomes of one nobody waits for: the network may lose it as well. */
export class SendQueue {
  readonly #ffi: Ffi;
  readonly #posix: Posix;
  readonly #fd: number;
  #slots: MessageSlots | undefined;
  #filled = 0;
  /** Where the datagrams in the slots go, as it was given. */
  readonly #addresses: (Uint8Array | undefined)[] = [];
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(ffi: Ffi, posix: Posix, fd: number) {
    this.#ffi = ffi;
    this.#posix = posix;
    this.#fd = fd;
  }

  /**
   * Sends a datagram when this turn of the event loop ends, or before.
   *
   * @param packet is copied, or must stay as it is
   * @param to a socket address that stays as it is
   * @returns false if too much waits
   */
  push(packet: Uint8Array, to: Uint8Array): boolean {
    if (this.#waitingBytes > MOST_BYTES) return false;
    if (this.#waiting.length > 0) {
      this.#wait(packet, to);
    } else if (packet.length > SLOT_BYTES) {
      this.flush();
      // What was before it may have to wait now.
      if (this.#waiting.length > 0 || this.#posix.sendto(this.#fd, packet, 0, to) === -EAGAIN)
        this.#wait(packet, to);
    } else {
      this.#slots ??= new MessageSlots(this.#ffi, BATCH, SLOT_BYTES);
      const slot = this.#filled++;
      this.#slots.fill(slot, packet);
      if (this.#addresses[slot] !== to) {
        this.#slots.address(slot, to);
        this.#addresses[slot] = to;
      }
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
      const sent = this.#posix.sendmmsg(this.#fd, slots.headersFrom(slot), count - slot, 0);
      if (sent === -EAGAIN) {
        for (; slot < count; slot++) this.#wait(slots.copyOf(slot), this.#addresses[slot] as Uint8Array);
        return;
      }
      // An error is that of the first: it is lost, the others go on.
      slot += Math.max(sent, 1);
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

  #wait(packet: Uint8Array, to: Uint8Array): void {
    this.#waiting.push({ packet, to });
    this.#waitingBytes += packet.length;
    this.#retry ??= setTimeout(() => this.#tryAgain(), RETRY_MS);
  }

  #tryAgain(): void {
    this.#retry = undefined;
    const waiting = this.#waiting;
    let done = 0;
    for (const { packet, to } of waiting) {
      if (this.#posix.sendto(this.#fd, packet, 0, to) === -EAGAIN) break;
      done++;
      this.#waitingBytes -= packet.length;
    }
    this.#waiting = waiting.slice(done);
    if (this.#waiting.length > 0) this.#retry = setTimeout(() => this.#tryAgain(), RETRY_MS);
  }
}
