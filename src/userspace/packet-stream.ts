/**
 * The inside of an interface that is no device: IP packets as a stream.
 */
import { Duplex } from "node:stream";
import { invalid } from "../core/errors.ts";

/**
 * Reads give the packets that came out of the tunnel, writes put packets in; object mode, a packet is a
 * `Uint8Array` with one whole IPv4 or IPv6 packet. What is not read fast enough is dropped. It ends when the
 * interface closes; what is written afterwards is dropped.
 */
export class PacketStream extends Duplex {
  readonly #limit: number;
  #transmit: ((packet: Uint8Array) => void) | undefined;

  /** @param limit packets that may wait to be read */
  constructor(limit: number, transmit: (packet: Uint8Array) => void) {
    super({ objectMode: true, readableHighWaterMark: limit });
    this.#limit = limit;
    this.#transmit = transmit;
  }

  /**
   * Throws `invalid` if it is no packet. A packet is taken at once, so that nothing ever has to wait for room: what
   * Node keeps of a write for that would cost as much as the write.
   */
  override write(packet: unknown, ...rest: unknown[]): boolean {
    if (!(packet instanceof Uint8Array))
      throw invalid("packet", "must be a Uint8Array", { operation: "write" });
    if (rest.length > 0 || !this.writable || this.writableCorked > 0) {
      return super.write(packet, ...(rest as []));
    }
    this.#transmit?.(packet);
    return true;
  }

  /** Gives a packet to the reader; false if there is no room. */
  deliver(packet: Buffer): boolean {
    if (this.#transmit === undefined || this.destroyed || this.readableLength >= this.#limit) return false;
    this.push(packet);
    return true;
  }

  /** The reader gets what is there, then the end. */
  finish(): void {
    if (this.#transmit === undefined) return;
    this.#transmit = undefined;
    this.push(null);
  }

  override _read(): void {}

  override _write(packet: Uint8Array, _encoding: unknown, done: () => void): void {
    this.#transmit?.(packet);
    done();
  }
}
