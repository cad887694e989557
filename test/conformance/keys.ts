/**
 * Fresh random keys for both ends.
 */
import { randomBytes } from "node:crypto";
import {
  CIPHER_KEY_BYTES,
  type CipherName,
  type KeyDirection,
  type KeyOptions,
  type KeySlot,
  NONCE_TAIL_BYTES,
} from "../../src/core/model.ts";

/** Random material for one direction. */
export function freshDirection(cipher: CipherName = "aes-256-gcm"): KeyDirection {
  return { key: randomBytes(CIPHER_KEY_BYTES[cipher]), nonceTail: randomBytes(NONCE_TAIL_BYTES) };
}

/** A key for one end, that no other end has. */
export function freshKey(id = 0, slot: KeySlot = "primary", cipher: CipherName = "aes-256-gcm"): KeyOptions {
  return { slot, id, cipher, encrypt: freshDirection(cipher), decrypt: freshDirection(cipher) };
}

/** The same key for the two ends of a tunnel: what one encrypts with, the other decrypts with. */
export function freshKeyPair(
  id = 0,
  slot: KeySlot = "primary",
  cipher: CipherName = "aes-256-gcm",
): [KeyOptions, KeyOptions] {
  const key = freshKey(id, slot, cipher);
  return [key, { ...key, encrypt: key.decrypt, decrypt: key.encrypt }];
}
