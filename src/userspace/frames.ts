/**
 * OpenVPN over TCP: each packet follows its length, two bytes in network order.
 */

/** Bytes of the length. */
export const LENGTH_BYTES = 2;

/** Cuts a stream into packets. */
export class FrameReader {
  /** The beginning of a frame whose rest has not come. */
  #rest: Buffer | undefined;

  /** Whether a frame has begun that is not complete. */
  get isWithin(): boolean {
    return this.#rest !== undefined;
  }

  /**
   * Takes what has come, and gives each whole packet to `take`, as a view.
   *
   * @param take returns whether to go on
   * @returns false if the stream is none of frames: a length of 0
   */
  read(chunk: Buffer, take: (packet: Buffer) => boolean): boolean {
    const stream = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = 0;
    while (stream.length - at >= LENGTH_BYTES) {
      const length = stream.readUInt16BE(at);
      if (length === 0) return false;
      const end = at + LENGTH_BYTES + length;
      if (end > stream.length) break;
      if (!take(stream.subarray(at + LENGTH_BYTES, end))) return true;
      at = end;
    }
    if (at < stream.length) this.#rest = stream.subarray(at);
    return true;
  }
}
