/**
 * Reads that are always pended on a device handle: one may end with an event while another gets a packet, and in p2p
 * mode the driver tells that a connection is lost to a pended read or to nobody.
 */
import type { Packet } from "./messages.ts";

const PENDED = 3;

/** What reads that were given up get to end; after that what they end with is nobody's. */
const DRAIN_MS = 50;

/** Who gets what the reads bring, in the order in which they were begun. */
export interface ReadListener {
  onPacket(packet: Packet): void;
  onFailure(error: unknown): void;
}

/** The reads of one handle. */
export class PendedReads {
  readonly #read: () => Promise<Packet>;
  readonly #listener: ReadListener;
  readonly #pended: { readonly packet: Promise<Packet>; readonly life: number }[] = [];
  #wanted = false;
  /** Counts what was begun and stopped: what a read that was given up ends with is nobody's. */
  #life = 0;
  #running: Promise<void> | undefined;

  constructor(read: () => Promise<Packet>, listener: ReadListener) {
    this.#read = read;
    this.#listener = listener;
  }

  start(): void {
    this.#wanted = true;
    this.#fill();
    this.#running ??= this.#run();
  }

  /** Begins no others, and tells nothing more. */
  stop(): void {
    this.#wanted = false;
    this.#life++;
  }

  /** Waits until those that the driver has given up are over, so that their ends are not taken for those of others. */
  async drained(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DRAIN_MS);
    });
    await Promise.race([this.#running, enough]);
    clearTimeout(timer);
  }

  #fill(): void {
    while (this.#wanted && this.#pended.length < PENDED) {
      const packet = this.#read();
      // It is waited for in its turn.
      packet.catch(() => {});
      this.#pended.push({ packet, life: this.#life });
    }
  }

  async #run(): Promise<void> {
    for (let next = this.#pended[0]; next; next = this.#pended[0]) {
      const end = await next.packet.then(
        (packet) => ({ packet }),
        (error: unknown) => ({ error }),
      );
      this.#pended.shift();
      const { life } = next;
      const isOurs = () => this.#wanted && life === this.#life;
      if ("error" in end) {
        // Before others are begun, which may be of no use then.
        if (isOurs()) this.#listener.onFailure(end.error);
        this.#fill();
      } else {
        this.#fill();
        if (isOurs()) this.#listener.onPacket(end.packet);
      }
    }
    this.#running = undefined;
  }
}
