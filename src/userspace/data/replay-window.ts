/**
 * Which packet ids of a key have been received: the window of Linux' `ovpn` (pktid.c).
 */

/** How far a packet id may lie behind the highest one. */
export const WINDOW = 2048;

/** After this long without a packet nothing that is behind the highest id is taken any more. */
export const BACKTRACK_MS = 30_000;

const SLOT_MASK = WINDOW - 1;

/** The packet ids of one key and one direction. Only of authenticated packets: others must not move it. */
export class ReplayWindow {
  /** One bit for each id of the window, at the id modulo its size. */
  readonly #seen = new Uint32Array(WINDOW / 32);
  #highest = 0;
  /** Ids up to this one have expired. */
  #floor = 0;
  #expires = 0;

  /**
   * Takes a packet id, once.
   *
   * @param id 32 bits
   * @param now in milliseconds, on a clock that only goes forward
   * @returns false if it came before, lies too far back, or is 0
   */
  accept(id: number, now: number): boolean {
    if (id === 0) return false;
    if (now >= this.#expires) this.#floor = this.#highest;
    if (id > this.#highest) this.#advance(id);
    else if (this.#highest - id >= WINDOW || id <= this.#floor || this.#has(id)) return false;
    this.#set(id);
    this.#expires = now + BACKTRACK_MS;
    return true;
  }

  /** Forgets what was where the new ids are. */
  #advance(id: number): void {
    if (id - this.#highest >= WINDOW) this.#seen.fill(0);
    else for (let skipped = this.#highest + 1; skipped < id; skipped++) this.#clear(skipped);
    this.#highest = id;
  }

  #has(id: number): boolean {
    return (((this.#seen[(id & SLOT_MASK) >>> 5] as number) >>> (id & 31)) & 1) === 1;
  }

  #set(id: number): void {
    const at = (id & SLOT_MASK) >>> 5;
    this.#seen[at] = (this.#seen[at] as number) | (1 << (id & 31));
  }

  #clear(id: number): void {
    const at = (id & SLOT_MASK) >>> 5;
    this.#seen[at] = (this.#seen[at] as number) & ~(1 << (id & 31));
  }
}
