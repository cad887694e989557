/**
 * Reads that are always pended on a device handle: one may end with an event while another gets a packet, and in p2p
 * mode the driver tells that a connection is lost to a pended read or to nobody.
 */
import type { Packet } from "./messages.ts";

const PENDED = 3;

interface PendedRead {
  readonly packet: Promise<Packet>;
  /** The transport that was there when it began, by number. */
  readonly era: number;
}

/** Who gets what the reads bring, in the order in which they were begun. */
export interface ReadListener {
  onPacket(packet: Packet): void;
  /** @param late what the read was begun for had ended before */
  onFailure(error: unknown, late: boolean): void;
}

/** The reads of one handle. */
export class PendedReads {
  readonly #read: () => Promise<Packet>;
  readonly #listener: ReadListener;
  readonly #pended: PendedRead[] = [];
  #era = 0;
  #wanted = false;
  #running = false;

  constructor(read: () => Promise<Packet>, listener: ReadListener) {
    this.#read = read;
    this.#listener = listener;
  }

  start(): void {
    this.#wanted = true;
    this.#fill();
    if (!this.#running) void this.#run();
  }

  /** Begins no others. Those that are pended end with what they were begun for, or are of use to the next. */
  stop(): void {
    this.#wanted = false;
    this.#era++;
  }

  #fill(): void {
    while (this.#wanted && this.#pended.length < PENDED) {
      const packet = this.#read();
      // It is waited for in its turn.
      packet.catch(() => {});
      this.#pended.push({ packet, era: this.#era });
    }
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let next = this.#pended[0]; next; next = this.#pended[0]) {
      try {
        const packet = await next.packet;
        this.#pended.shift();
        this.#fill();
        this.#listener.onPacket(packet);
      } catch (error) {
        this.#pended.shift();
        this.#listener.onFailure(error, next.era !== this.#era);
        this.#fill();
      }
    }
    this.#running = false;
  }
}
