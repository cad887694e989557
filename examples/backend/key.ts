/**
 * A data key of the example backend: DATA_V2 packets with AES-GCM. (For "../../src/backend/index.ts" read
 * "dcokit/backend", here and in the files beside this one.)
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { KeyRequest } from "../../src/backend/index.ts";

/** Opcode, key id and peer id in 4 bytes, then the packet id: they are authenticated, and not encrypted. */
const HEADER_BYTES = 8;
const TAG_BYTES = 16;
const DATA_V2 = 9;
const WINDOW = 64;
const LAST_PACKET_ID = 0xffff_ffff;

export const opcodeOf = (packet: Uint8Array) => (packet[0] as number) >> 3;
export const keyIdOf = (packet: Uint8Array) => (packet[0] as number) & 7;
export const peerIdOf = (packet: Buffer) => packet.readUInt32BE(0) & 0xff_ffff;
export const isData = (packet: Uint8Array) => opcodeOf(packet) === DATA_V2 || opcodeOf(packet) === 6;
export const isWhole = (packet: Uint8Array) =>
  opcodeOf(packet) === DATA_V2 && packet.length >= HEADER_BYTES + TAG_BYTES;

/** Encrypts and decrypts for one peer. */
export class Key {
  readonly id: number;
  readonly cipher: KeyRequest["cipher"];
  readonly #encrypt: { readonly key: Buffer; readonly tail: Buffer };
  readonly #decrypt: { readonly key: Buffer; readonly tail: Buffer };
  #sent = 0;
  #highest = 0;
  /** Of the last {@link WINDOW} packet ids, those that came: packets may overtake each other. */
  readonly #seen = new Set<number>();

  /** The arrays of a request are the caller's: they are copied, once. */
  constructor(request: KeyRequest) {
    this.id = request.id;
    this.cipher = request.cipher;
    this.#encrypt = { key: Buffer.from(request.encryptKey), tail: Buffer.from(request.encryptNonceTail) };
    this.#decrypt = { key: Buffer.from(request.decryptKey), tail: Buffer.from(request.decryptNonceTail) };
  }

  /** A packet for the network; undefined when all packet ids are used up. */
  seal(payload: Uint8Array, peer: number): Buffer | undefined {
    if (this.#sent === LAST_PACKET_ID) return undefined;
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32BE(((DATA_V2 << 27) | (this.id << 24) | peer) >>> 0, 0);
    header.writeUInt32BE(++this.#sent, 4);
    const { key, tail } = this.#encrypt;
    const cipher = createCipheriv(this.#algorithm, key, Buffer.concat([header.subarray(4), tail]));
    cipher.setAAD(header);
    const body = Buffer.concat([cipher.update(payload), cipher.final()]);
    return Buffer.concat([header, cipher.getAuthTag(), body]);
  }

  /** What is in a packet from the network; undefined if it is forged, was there before, or is too old to say. */
  open(packet: Buffer): Buffer | undefined {
    const id = packet.readUInt32BE(4);
    if (id <= this.#highest - WINDOW || this.#seen.has(id)) return undefined;
    const { key, tail } = this.#decrypt;
    const decipher = createDecipheriv(
      this.#algorithm,
      key,
      Buffer.concat([packet.subarray(4, HEADER_BYTES), tail]),
      {
        authTagLength: TAG_BYTES,
      },
    );
    decipher.setAAD(packet.subarray(0, HEADER_BYTES));
    decipher.setAuthTag(packet.subarray(HEADER_BYTES, HEADER_BYTES + TAG_BYTES));
    try {
      const body = decipher.update(packet.subarray(HEADER_BYTES + TAG_BYTES));
      const payload = Buffer.concat([body, decipher.final()]);
      this.#note(id);
      return payload;
    } catch {
      return undefined;
    }
  }

  /** Only of a packet that is authentic. */
  #note(id: number): void {
    this.#seen.add(id);
    if (id <= this.#highest) return;
    this.#highest = id;
    for (const old of this.#seen) if (old <= id - WINDOW) this.#seen.delete(old);
  }

  /** Nothing of it is left. */
  destroy(): void {
    for (const { key, tail } of [this.#encrypt, this.#decrypt]) {
      key.fill(0);
      tail.fill(0);
    }
  }

  get #algorithm() {
    return this.cipher as "aes-128-gcm" | "aes-192-gcm" | "aes-256-gcm";
  }
}
