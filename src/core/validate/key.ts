/**
 * Keys and slots. No message holds a value that was given as text or bytes: it may be key material.
 */
import type { KeyRequest } from "../backend.ts";
import type { Capabilities } from "../capabilities.ts";
import { invalid, unsupported } from "../errors.ts";
import {
  CIPHER_KEY_BYTES,
  CIPHERS,
  type CipherName,
  type KeyDirection,
  type KeySlot,
  MAX_KEY_ID,
  NONCE_TAIL_BYTES,
} from "../model.ts";
import { readExactBytes, sameBytes } from "./bytes.ts";
import { at, readBoolean, readChoice, readInteger, readShape, type Shape } from "./shape.ts";

const SLOTS: readonly KeySlot[] = ["primary", "secondary"];

const KEY: Shape<"slot" | "id" | "cipher" | "encrypt" | "decrypt" | "wipe"> = {
  names: ["slot", "id", "cipher", "encrypt", "decrypt", "wipe"],
  read: ({ slot, id, cipher, encrypt, decrypt, wipe }) => ({ slot, id, cipher, encrypt, decrypt, wipe }),
};
const DIRECTION: Shape<"key" | "nonceTail"> = {
  names: ["key", "nonceTail"],
  read: ({ key, nonceTail }) => ({ key, nonceTail }),
};

/** A key slot. */
export function validateSlot(slot: unknown, field = "slot"): KeySlot {
  return readChoice(slot, field, SLOTS);
}

/**
 * Checks a key. The arrays of the result are the caller's own.
 *
 * @param path where the key is in a larger argument, such as `keys[3].key`
 */
export function validateKey(key: unknown, capabilities: Capabilities, path?: string): KeyRequest {
  const fields = readShape(key, KEY, path, path ?? "key");
  const slot = validateSlot(fields.slot, at(path, "slot"));
  const id = readInteger(fields.id, at(path, "id"), 0, MAX_KEY_ID);
  const cipher = readChoice(fields.cipher, at(path, "cipher"), CIPHERS);
  if (!capabilities.ciphers.includes(cipher)) {
    throw unsupported("ciphers", `this kernel has no ${cipher}`, { field: at(path, "cipher") });
  }
  const encrypt = readDirection(fields.encrypt, at(path, "encrypt"), cipher);
  const decrypt = readDirection(fields.decrypt, at(path, "decrypt"), cipher);
  if (fields.wipe !== undefined) readBoolean(fields.wipe, at(path, "wipe"));
  if (sameBytes(encrypt.key, decrypt.key) && sameBytes(encrypt.nonceTail, decrypt.nonceTail)) {
    throw invalid(
      at(path, "decrypt"),
      "is the same as encrypt: both ends would use the same nonces with the same key",
    );
  }
  return {
    slot,
    id,
    cipher,
    encryptKey: encrypt.key,
    encryptNonceTail: encrypt.nonceTail,
    decryptKey: decrypt.key,
    decryptNonceTail: decrypt.nonceTail,
  };
}

function readDirection(value: unknown, field: string, cipher: CipherName): KeyDirection {
  const fields = readShape(value, DIRECTION, field);
  return {
    key: readExactBytes(fields.key, at(field, "key"), CIPHER_KEY_BYTES[cipher], cipher),
    nonceTail: readExactBytes(fields.nonceTail, at(field, "nonceTail"), NONCE_TAIL_BYTES),
  };
}
