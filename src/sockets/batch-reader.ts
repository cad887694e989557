/**
 * Reads a UDP socket many datagrams at a time, and without a copy.
 */
import { errnoError, errnoNumber } from "../ffi/errno.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { ReceiveSlots } from "./message-slots.ts";

const EAGAIN = errnoNumber("EAGAIN", "linux") as number;
const EBADF = errnoNumber("EBADF", "linux") as number;

/** The socket may be one that was the caller's. */
const MSG_DONTWAIT = 0x40;

/** Datagrams read before the event loop gets a turn. */
const BATCH = 64;

/** The largest datagram; and some, so that the beginnings of slots do not all meet in the same lines of a cache. */
const SLOT_BYTES = 65536 + 2112;

/** Errors in a row that are about packets which were sent (ICMP); reading takes each of them away. */
const MOST_ERRORS = 64;

/** What the reader hands on. */
export interface BatchHandlers<Sender> {
  /** The sender of these bytes, once for many packets in a row. */
  sender(address: Buffer): Sender;
  /** @param packet a view that stands until this returns */
  onPacket(packet: Buffer, from: Sender): void;
  onEnd(error: Error): void;
}

/** One for all sockets of the process: nothing in it is needed after a turn. */
let shared: ReceiveSlots | undefined;

/** Starts reading; returns what stops it. It keeps the process alive. Close it before the descriptor. */
export function readBatches<Sender>(
  ffi: Ffi,
  posix: Posix,
  fd: number,
  handlers: BatchHandlers<Sender>,
): () => void {
  shared ??= new ReceiveSlots(ffi, BATCH, SLOT_BYTES);
  const slots = shared;
  let stopped = false;
  let address: Uint32Array = new Uint32Array(0);
  let from: Sender | undefined;

  const hand = (slot: number) => {
    if (from === undefined || !slots.isSender(slot, address)) {
      address = slots.senderWords(slot);
      from = handlers.sender(slots.sender(slot));
    }
    slots.renew(slot);
    if (!stopped) handlers.onPacket(slots.packet(slot), from);
  };

  const read = () => {
    for (let errors = 0; !stopped && errors < MOST_ERRORS; errors++) {
      const count = posix.recvmmsg(fd, slots.headers, BATCH, MSG_DONTWAIT);
      if (count === -EAGAIN) return;
      if (count === -EBADF) {
        stop();
        handlers.onEnd(errnoError(EBADF, "recvmmsg", `fd ${fd}`));
        return;
      }
      if (count < 0) continue;
      handAll(count, hand);
      return;
    }
  };
  const watcher = ffi.watchReadable(fd, read, { onError: (error) => handlers.onEnd(error) });
  const stop = () => {
    stopped = true;
    watcher.close();
  };
  return stop;
}

/** An error that a reader of packets throws is thrown when all have been handed on: the others are not its packets. */
function handAll(count: number, hand: (slot: number) => void): void {
  const thrown: unknown[] = [];
  for (let slot = 0; slot < count; slot++) {
    try {
      hand(slot);
    } catch (error) {
      thrown.push(error);
    }
  }
  if (thrown.length > 0) throw thrown[0];
}
