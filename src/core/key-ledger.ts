/**
 * Remembers which keys an interface has used, so that none is used twice.
 *
 * A key that is installed again starts with packet id 1 again: the same nonces under the same key, which
 * breaks AEAD ciphers. The ledger keeps 64 bits of a keyed digest per key, never the key.
 */
import { hash, randomFillSync } from "node:crypto";

/** Keys that one direction remembers at least; the older half is forgotten beyond twice as many. */
export const LEDGER_KEYS = 1 << 20;

/** With the longest key it fits one block of SHA-256. */
const SECRET_BYTES = 16;
const MAX_KEY_BYTES = 32;

/** An open-addressing hash set of 64-bit values that are never zero. */
export class DigestSet {
  #slots = new Uint32Array(2 * 64);
  #mask = 63;
  size = 0;

  has(low: number, high: number): boolean {
    return this.#slots[2 * this.#find(this.#slots, this.#mask, low, high)] !== 0;
  }

  add(low: number, high: number): void {
    if (this.size * 2 > this.#mask) this.#grow();
    const at = this.#find(this.#slots, this.#mask, low, high);
    if (this.#slots[2 * at] !== 0) return;
    this.#slots[2 * at] = low;
    this.#slots[2 * at + 1] = high;
    this.size++;
  }

  /** Those behind it that would not be found any more move up. */
  delete(low: number, high: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = this.#find(slots, mask, low, high);
    if (slots[2 * hole] === 0) return;
    this.size--;
    for (let at = (hole + 1) & mask; slots[2 * at] !== 0; at = (at + 1) & mask) {
      const wanted = (slots[2 * at + 1] as number) & mask;
      // It may stay if its own place lies behind the hole.
      if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
      slots[2 * hole] = slots[2 * at] as number;
      slots[2 * hole + 1] = slots[2 * at + 1] as number;
      hole = at;
    }
    slots[2 * hole] = 0;
    slots[2 * hole + 1] = 0;
  }

  #find(slots: Uint32Array, mask: number, low: number, high: number): number {
    let at = high & mask;
    while (slots[2 * at] !== 0 && (slots[2 * at] !== low || slots[2 * at + 1] !== high)) at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const mask = this.#mask * 2 + 1;
    const slots = new Uint32Array(2 * (mask + 1));
    for (let i = 0; i <= this.#mask; i++) {
      const low = this.#slots[2 * i] as number;
      if (low === 0) continue;
      const high = this.#slots[2 * i + 1] as number;
      const at = this.#find(slots, mask, low, high);
      slots[2 * at] = low;
      slots[2 * at + 1] = high;
    }
    this.#slots = slots;
    this.#mask = mask;
  }
}

/** The digest of a key, as the ledger knows it. */
export interface KeyDigest {
  readonly low: number;
  readonly high: number;
}

/** The keys of one direction. */
export class KeyLedger {
  /** The secret, and room for a key of the largest size. */
  readonly #input = new Uint8Array(SECRET_BYTES + MAX_KEY_BYTES);
  /** The part of it that is hashed, by the key's length. */
  readonly #inputs = new Map<number, Uint8Array>();
  #current = new DigestSet();
  #previous = new DigestSet();

  constructor() {
    randomFillSync(this.#input, 0, SECRET_BYTES);
  }

  /**
   * Takes a key down. Returns undefined if it was used before, or is being installed. If the kernel certainly did not
   * take it, `release` it.
   */
  reserve(key: Uint8Array): KeyDigest | undefined {
    const digest = this.#digest(key);
    const { low, high } = digest;
    if (this.#current.has(low, high) || this.#previous.has(low, high)) return undefined;
    if (this.#current.size >= LEDGER_KEYS) {
      this.#previous = this.#current;
      this.#current = new DigestSet();
    }
    this.#current.add(low, high);
    return digest;
  }

  release({ low, high }: KeyDigest): void {
    this.#current.delete(low, high);
    this.#previous.delete(low, high);
  }

  /** SHA-256 of a secret and the key: it never leaves the ledger, so a prefix is as good as HMAC, and 4 times faster. */
  #digest(key: Uint8Array): KeyDigest {
    this.#input.set(key, SECRET_BYTES);
    // A character per byte: cheaper than a Buffer.
    const digest = hash("sha256", this.#inputOf(key.length), "binary");
    this.#input.fill(0, SECRET_BYTES);
    // `low` is never 0, which marks an empty slot of the set.
    return { low: word(digest, 0) || 1, high: word(digest, 4) };
  }

  #inputOf(length: number): Uint8Array {
    let input = this.#inputs.get(length);
    if (input === undefined) {
      input = this.#input.subarray(0, SECRET_BYTES + length);
      this.#inputs.set(length, input);
    }
    return input;
  }
}

/** Four characters as an unsigned 32-bit number. */
function word(text: string, at: number): number {
  const octet = (n: number) => text.charCodeAt(at + n);
  return (octet(0) | (octet(1) << 8) | (octet(2) << 16) | (octet(3) << 24)) >>> 0;
}
