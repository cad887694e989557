/**
 * Which peer an inner address belongs to: VPN addresses and what is behind peers, the longest prefix first.
 */
import { formatIp } from "../../core/ip.ts";

/** A prefix; bits behind its length are zero. */
export interface Prefix {
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** The table of one family. Addresses are read from the packet where they stand. */
class Table<P> {
  readonly #bytes: number;
  /** By prefix length; the lengths that are in use, the longest first. */
  readonly #byLength = new Map<number, Map<string, P>>();
  #lengths: readonly number[] = [];
  readonly #masked: Buffer;

  constructor(bytes: 4 | 16) {
    this.#bytes = bytes;
    this.#masked = Buffer.alloc(bytes);
  }

  get(prefix: Prefix): P | undefined {
    return this.#byLength.get(prefix.length)?.get(this.#key(prefix.bytes, 0, prefix.length));
  }

  set(prefix: Prefix, peer: P): void {
    let table = this.#byLength.get(prefix.length);
    if (table === undefined) {
      table = new Map();
      this.#byLength.set(prefix.length, table);
      this.#lengths = [...this.#byLength.keys()].sort((a, b) => b - a);
    }
    table.set(this.#key(prefix.bytes, 0, prefix.length), peer);
  }

  delete(prefix: Prefix): void {
    const table = this.#byLength.get(prefix.length);
    table?.delete(this.#key(prefix.bytes, 0, prefix.length));
    if (table?.size !== 0) return;
    this.#byLength.delete(prefix.length);
    this.#lengths = this.#lengths.filter((length) => length !== prefix.length);
  }

  lookup(packet: Uint8Array, at: number): P | undefined {
    for (const length of this.#lengths) {
      const found = this.#byLength.get(length)?.get(this.#key(packet, at, length));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The length of the prefix that `lookup` finds; -1 if it finds none. */
  matched(packet: Uint8Array, at: number): number {
    return (
      this.#lengths.find((length) => this.#byLength.get(length)?.has(this.#key(packet, at, length))) ?? -1
    );
  }

  /** The first `length` bits as text that a map takes. */
  #key(bytes: Uint8Array, at: number, length: number): string {
    const masked = this.#masked;
    const whole = length >> 3;
    for (let i = 0; i < this.#bytes; i++) masked[i] = i < whole ? (bytes[at + i] as number) : 0;
    if (whole < this.#bytes) masked[whole] = (bytes[at + whole] as number) & (0xff00 >> (length & 7));
    return masked.toString("latin1");
  }
}

/** The tables of both families. */
export class Routes<P> {
  readonly #ipv4 = new Table<P>(4);
  readonly #ipv6 = new Table<P>(16);

  /** Whose exactly this prefix is. */
  owner(prefix: Prefix): P | undefined {
    return this.#table(prefix).get(prefix);
  }

  add(prefix: Prefix, peer: P): void {
    this.#table(prefix).set(prefix, peer);
  }

  /** Takes a prefix away, if it is this peer's. */
  remove(prefix: Prefix, peer: P): void {
    if (this.owner(prefix) === peer) this.#table(prefix).delete(prefix);
  }

  /** The peer for an address within a packet. */
  lookup(packet: Uint8Array, family: 4 | 6, at: number): P | undefined {
    return (family === 4 ? this.#ipv4 : this.#ipv6).lookup(packet, at);
  }

  /** The length of the prefix that `lookup` finds; -1 if it finds none. */
  matched(packet: Uint8Array, family: 4 | 6, at: number): number {
    return (family === 4 ? this.#ipv4 : this.#ipv6).matched(packet, at);
  }

  #table({ bytes }: Prefix): Table<P> {
    return bytes.length === 4 ? this.#ipv4 : this.#ipv6;
  }
}

/** The prefix that is one address. */
export function hostPrefix(bytes: Uint8Array): Prefix {
  return { bytes, length: bytes.length * 8 };
}

/** For messages. */
export function prefixText({ bytes, length }: Prefix): string {
  return length === bytes.length * 8 ? formatIp(bytes) : `${formatIp(bytes)}/${length}`;
}
