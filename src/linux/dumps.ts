/**
 * Long answers: read in slices that leave the event loop free, on a socket of their own, one after the other.
 *
 * The kernel goes on with a dump when its last part is read, and counts where it was: peers that are removed meanwhile
 * make it pass over others, and new ones make it repeat some. What to do about that is the caller's business.
 */
import { DcoError } from "../core/errors.ts";
import type { FamilyFormat } from "../netlink/formats.ts";
import type { Build, Decode, NetlinkSocket } from "../netlink/netlink-socket.ts";

/** See the module's comment. */
export class Dumps {
  readonly #open: () => NetlinkSocket;
  #socket: NetlinkSocket | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** @param open makes a socket; called when one is needed */
  constructor(open: () => NetlinkSocket) {
    this.#open = open;
  }

  /** See `NetlinkSocket.dump`. */
  run<T>(format: FamilyFormat, build: Build, decode: Decode<T>): Promise<T[]> {
    const mine = this.#last.then(async () => {
      if (this.#closed) throw new DcoError("closed", "the driver is closed", { effect: "none" });
      this.#socket ??= this.#open();
      try {
        return await this.#socket.dump(format, build, decode);
      } catch (error) {
        // What is left of the answer would be in the way of the next.
        this.#socket?.close();
        this.#socket = undefined;
        throw error;
      }
    });
    this.#last = mine.catch(() => {});
    return mine;
  }

  /** Fails what is under way, and what waits. */
  close(): void {
    this.#closed = true;
    this.#socket?.close();
    this.#socket = undefined;
  }
}
