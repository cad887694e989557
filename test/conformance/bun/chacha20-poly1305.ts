/**
 * ChaCha20-Poly1305 (RFC 8439) in the form of `node:crypto`'s ciphers: Bun's has none, and the userspace backend is to
 * talk to kernels by it. For cases only: it is slow, and not guarded against those who measure its time.
 */

const TAG_BYTES = 16;
const P1305 = (1n << 130n) - 5n;
const CLAMP = 0x0ffffffc0ffffffc0ffffffc0fffffffn;
const ALL128 = (1n << 128n) - 1n;

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function quarterRound(x: Uint32Array, a: number, b: number, c: number, d: number): void {
  const at = (index: number) => x[index] as number;
  x[a] = at(a) + at(b);
  x[d] = rotate(at(d) ^ at(a), 16);
  x[c] = at(c) + at(d);
  x[b] = rotate(at(b) ^ at(c), 12);
  x[a] = at(a) + at(b);
  x[d] = rotate(at(d) ^ at(a), 8);
  x[c] = at(c) + at(d);
  x[b] = rotate(at(b) ^ at(c), 7);
}

/** 64 bytes of the stream. */
function block(key: Buffer, nonce: Buffer, counter: number): Buffer {
  const state = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, ...words(key), counter);
  const start = Uint32Array.of(...state, ...words(nonce));
  const x = Uint32Array.from(start);
  for (let round = 0; round < 10; round++) {
    for (let column = 0; column < 4; column++) {
      quarterRound(x, column, column + 4, column + 8, column + 12);
    }
    for (let column = 0; column < 4; column++) {
      const diagonal = (step: number) => 4 * step + ((column + step) % 4);
      quarterRound(x, diagonal(0), diagonal(1), diagonal(2), diagonal(3));
    }
  }
  const out = Buffer.alloc(64);
  x.forEach((word, at) => {
    out.writeUInt32LE((word + (start[at] as number)) >>> 0, 4 * at);
  });
  return out;
}

function words(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readUInt32LE(4 * at));
}

function streamed(key: Buffer, nonce: Buffer, data: Uint8Array): Buffer {
  const out = Buffer.from(data);
  for (let from = 0; from < out.length; from += 64) {
    const stream = block(key, nonce, 1 + from / 64);
    for (let at = from; at < Math.min(from + 64, out.length); at++) {
      out[at] = (out[at] as number) ^ (stream[at - from] as number);
    }
  }
  return out;
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x0${Buffer.from(bytes).reverse().toString("hex")}`);
}

function tagOf(key: Buffer, nonce: Buffer, aad: Buffer, ciphertext: Buffer): Buffer {
  const once = block(key, nonce, 0);
  const r = littleEndian(once.subarray(0, 16)) & CLAMP;
  const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((16 - (bytes.length % 16)) % 16)]);
  const lengths = Buffer.alloc(16);
  lengths.writeUInt32LE(aad.length, 0);
  lengths.writeUInt32LE(ciphertext.length, 8);
  const all = Buffer.concat([padded(aad), padded(ciphertext), lengths]);
  let sum = 0n;
  for (let from = 0; from < all.length; from += 16) {
    sum = ((sum + littleEndian(all.subarray(from, from + 16)) + (1n << 128n)) * r) % P1305;
  }
  const tag = (sum + littleEndian(once.subarray(16, 32))) & ALL128;
  return Buffer.from(tag.toString(16).padStart(32, "0"), "hex").reverse();
}

/** One packet; `update` is called once. */
export class ChaCha20Poly1305 {
  readonly #key: Buffer;
  readonly #nonce: Buffer;
  readonly #opens: boolean;
  #aad = Buffer.alloc(0);
  #ciphertext: Buffer = Buffer.alloc(0);
  #tag: Uint8Array = Buffer.alloc(TAG_BYTES);

  /** @param opens whether packets are opened, rather than sealed */
  constructor(key: Uint8Array, nonce: Uint8Array, opens: boolean) {
    this.#key = Buffer.from(key);
    this.#nonce = Buffer.from(nonce);
    this.#opens = opens;
  }

  setAAD(aad: Uint8Array): this {
    this.#aad = Buffer.from(aad);
    return this;
  }

  setAuthTag(tag: Uint8Array): this {
    this.#tag = tag;
    return this;
  }

  getAuthTag(): Buffer {
    return tagOf(this.#key, this.#nonce, this.#aad, this.#ciphertext);
  }

  update(data: Uint8Array): Buffer {
    const out = streamed(this.#key, this.#nonce, data);
    this.#ciphertext = this.#opens ? Buffer.from(data) : out;
    return Buffer.from(out);
  }

  final(): Buffer {
    if (this.#opens && !this.getAuthTag().equals(this.#tag)) throw new Error("it was changed");
    return Buffer.alloc(0);
  }
}
