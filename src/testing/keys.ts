/**
 * Keys that are the same in every run. For tests only: who has the seed has the key.
 */
import { hkdfSync } from "node:crypto";
import {
  CIPHER_KEY_BYTES,
  type CipherName,
  type KeyOptions,
  type KeySlot,
  NONCE_TAIL_BYTES,
} from "../core/model.ts";

/** What the key is to be. */
export interface TestKeyOptions {
  /** Default `aes-256-gcm`. */
  readonly cipher?: CipherName;
  /** Default 0. */
  readonly id?: number;
  /** Default `primary`. */
  readonly slot?: KeySlot;
}

/**
 * The same key for both ends of a tunnel: what one encrypts with, the other decrypts with.
 *
 * @param seed the same seed and options give the same key; an interface takes each only once
 */
export function testKeys(seed: string | number, options: TestKeyOptions = {}): [KeyOptions, KeyOptions] {
  const { cipher = "aes-256-gcm", id = 0, slot = "primary" } = options;
  const bytes = (what: string, length: number) =>
    new Uint8Array(hkdfSync("sha256", `dcokit test key ${seed}`, "", `${cipher} ${what}`, length));
  const direction = (name: string) => ({
    key: bytes(`${name} key`, CIPHER_KEY_BYTES[cipher]),
    nonceTail: bytes(`${name} nonce tail`, NONCE_TAIL_BYTES),
  });
  const [one, other] = [direction("one"), direction("other")];
  return [
    { slot, id, cipher, encrypt: one, decrypt: other },
    { slot, id, cipher, encrypt: structuredClone(other), decrypt: structuredClone(one) },
  ];
}
