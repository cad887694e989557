/**
 * One key of a peer: seals and opens DATA_V2 packets by `node:crypto`.
 */
import {
  type CipherGCM,
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type DecipherGCM,
  type KeyObject,
} from "node:crypto";
import type { KeyRequest } from "../../core/backend.ts";
import type { CipherName } from "../../core/model.ts";
import { AAD_BYTES, HEADER_BYTES, headerWord, LAST_PACKET_ID, OVERHEAD, TAG_BYTES } from "./packet.ts";
import { ReplayWindow } from "./replay-window.ts";

const NONCE_BYTES = 12;
const PACKET_ID_BYTES = NONCE_BYTES - 8;
const AUTH_TAG = { authTagLength: TAG_BYTES } as const;

/** Why a packet was not opened. */
export type OpenFailure = "malformed" | "authentication" | "replay";

/** Bytes of one direction's nonce: the packet id, and the tail that belongs to the key. */
function nonceWith(tail: Uint8Array): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.set(tail, PACKET_ID_BYTES);
  return nonce;
}

/** A key for both directions, with its packet ids. */
export class DataKey {
  readonly id: number;
  readonly cipher: CipherName;
  /** OpenSSL's name; TypeScript's types know ChaCha20-Poly1305 by another one, with the same functions. */
  readonly #algorithm: CipherGCMTypes;
  readonly #encryptKey: KeyObject;
  readonly #decryptKey: KeyObject;
  readonly #encryptNonce: Buffer;
  readonly #decryptNonce: Buffer;
  readonly #aad = Buffer.alloc(AAD_BYTES);
  readonly #window = new ReplayWindow();
  #nextPacketId: number;

  /** @param firstPacketId the id of the first packet that is sealed; for tests, since it is 1 */
  constructor(key: KeyRequest, firstPacketId = 1) {
    this.id = key.id;
    this.cipher = key.cipher;
    this.#algorithm = key.cipher as CipherGCMTypes;
    this.#encryptKey = createSecretKey(key.encryptKey);
    this.#decryptKey = createSecretKey(key.decryptKey);
    this.#encryptNonce = nonceWith(key.encryptNonceTail);
    this.#decryptNonce = nonceWith(key.decryptNonceTail);
    this.#nextPacketId = firstPacketId;
  }

  /**
   * Makes a packet.
   *
   * @param payload an inner packet, or a ping
   * @param peerId the peer id that the other side knows
   * @param room bytes that are left free in front of the packet
   * @returns `room`, then the packet; undefined if the packet ids are used up
   */
  seal(payload: Uint8Array, peerId: number, room: number): Buffer | undefined {
    const packetId = this.#nextPacketId;
    if (packetId > LAST_PACKET_ID) return undefined;
    this.#nextPacketId = packetId + 1;
    const aad = this.#aad;
    aad.writeUInt32BE(headerWord(this.id, peerId), 0);
    aad.writeUInt32BE(packetId, HEADER_BYTES);
    this.#encryptNonce.writeUInt32BE(packetId, 0);
    const cipher: CipherGCM = createCipheriv(this.#algorithm, this.#encryptKey, this.#encryptNonce, AUTH_TAG);
    cipher.setAAD(aad);
    const ciphertext = cipher.update(payload);
    cipher.final();
    const packet = Buffer.allocUnsafe(room + OVERHEAD + ciphertext.length);
    packet.set(aad, room);
    packet.set(cipher.getAuthTag(), room + AAD_BYTES);
    packet.set(ciphertext, room + OVERHEAD);
    return packet;
  }

  /**
   * Opens a packet with this key's id.
   *
   * @param now in milliseconds, on a clock that only goes forward
   * @returns the payload, which may be empty, or why there is none
   */
  open(packet: Buffer, now: number): Buffer | OpenFailure {
    if (packet.length < OVERHEAD) return "malformed";
    const nonce = this.#decryptNonce;
    // Byte by byte: faster than a copy of so few.
    for (let at = 0; at < PACKET_ID_BYTES; at++) nonce[at] = packet[HEADER_BYTES + at] as number;
    const decipher: DecipherGCM = createDecipheriv(this.#algorithm, this.#decryptKey, nonce, AUTH_TAG);
    decipher.setAAD(packet.subarray(0, AAD_BYTES));
    decipher.setAuthTag(packet.subarray(AAD_BYTES, OVERHEAD));
    const payload = decipher.update(packet.subarray(OVERHEAD));
    try {
      decipher.final();
    } catch {
      payload.fill(0);
      return "authentication";
    }
    return this.#window.accept(packet.readUInt32BE(HEADER_BYTES), now) ? payload : "replay";
  }

  /** Zeroes what is left of the key in this process' memory; the rest OpenSSL zeroes when it is collected. */
  destroy(): void {
    this.#encryptNonce.fill(0);
    this.#decryptNonce.fill(0);
    // Nothing can be sealed any more, also by who still has the object.
    this.#nextPacketId = LAST_PACKET_ID + 1;
  }
}
