/**
 * From OpenVPN's key material to the keys of the two directions.
 *
 * The material becomes 256 bytes, OpenVPN's `key2`: two times 64 bytes of cipher key and 64 bytes of HMAC
 * key. The first pair is the client's to encrypt with, the second the server's. The cipher key is the start
 * of the cipher area, and with AEAD ciphers the nonce tail ("implicit IV") is the start of the HMAC area.
 * Source: OpenVPN's ssl.c (`generate_key_expansion`), dco.c (`init_key_dco_bi`) and crypto.h.
 */
import { createHmac, type Hmac } from "node:crypto";
import { DcoError, invalid } from "./errors.ts";
import { CIPHER_KEY_BYTES, CIPHERS, type CipherName, type KeyDirection, NONCE_TAIL_BYTES } from "./model.ts";
import { readExactBytes } from "./validate/bytes.ts";
import { readChoice, readFields } from "./validate/shape.ts";

/** The label of exported keying material (RFC 5705), without context. */
export const DATA_KEYS_LABEL = "EXPORTER-OpenVPN-datakeys";

/** Bytes of exported keying material, and of `key2`. */
export const DATA_KEYS_BYTES = 256;

/** Bytes of one area of `key2`. */
const AREA_BYTES = 64;

/** Bytes of the master secret between the two steps of the PRF. */
const MASTER_BYTES = 48;

/** Exported keying material of the TLS session: {@link DATA_KEYS_BYTES} with {@link DATA_KEYS_LABEL}. */
export interface TlsEkmMaterial {
  readonly source: "tls-ekm";
  readonly ekm: Uint8Array;
}

/** OpenVPN's `struct key2` as it is in memory: cipher, HMAC, cipher, HMAC, 64 bytes each. */
export interface Key2Material {
  readonly source: "key2";
  readonly key2: Uint8Array;
}

/** The random values of OpenVPN's key exchange method 2, where the other end exports no keying material. */
export interface TlsPrfMaterial {
  readonly source: "tls-prf";
  /** 48 bytes. */
  readonly clientPreMaster: Uint8Array;
  /** 32 bytes each. */
  readonly clientRandom1: Uint8Array;
  readonly clientRandom2: Uint8Array;
  readonly serverRandom1: Uint8Array;
  readonly serverRandom2: Uint8Array;
  /** 8 bytes each: the session ids of the control channel. */
  readonly clientSessionId: Uint8Array;
  readonly serverSessionId: Uint8Array;
}

/** What {@link deriveDataKeys} takes. */
export type KeyMaterial = TlsEkmMaterial | Key2Material | TlsPrfMaterial;

/** The keys of both directions, as `KeyOptions` takes them. */
export interface DataKeys {
  readonly encrypt: KeyDirection;
  readonly decrypt: KeyDirection;
}

/**
 * The data channel keys of one end of an OpenVPN session.
 *
 * The arrays are new; the material is left as it is. Errors: `invalid` (lengths, a key of zeros),
 * `unsupported` (source `tls-prf` needs MD5, which OpenSSL in FIPS mode lacks).
 */
export function deriveDataKeys(
  material: KeyMaterial,
  role: "client" | "server",
  cipher: CipherName,
): DataKeys {
  const end = readChoice(role, "role", ["client", "server"]);
  const keyBytes = CIPHER_KEY_BYTES[readChoice(cipher, "cipher", CIPHERS)];
  const key2 = toKey2(material);
  const client = direction(key2, 0, keyBytes);
  const server = direction(key2, 2 * AREA_BYTES, keyBytes);
  key2.fill(0);
  for (const { key } of [client, server]) {
    if (key.every((byte) => byte === 0)) throw invalid("material", "gives a key of zeros");
  }
  return end === "client" ? { encrypt: client, decrypt: server } : { encrypt: server, decrypt: client };
}

function direction(key2: Uint8Array, start: number, keyBytes: number): KeyDirection {
  const hmac = start + AREA_BYTES;
  return {
    key: key2.slice(start, start + keyBytes),
    nonceTail: key2.slice(hmac, hmac + NONCE_TAIL_BYTES),
  };
}

/** The 256 bytes, in a new array. */
function toKey2(material: unknown): Uint8Array {
  const given = (material as { readonly source?: unknown } | null | undefined)?.source;
  if (typeof material !== "object") throw invalid("material", "must be an object with a source");
  const source = readChoice(given, "source", ["tls-ekm", "key2", "tls-prf"]);
  if (source === "tls-prf") return expandTlsPrf(material);
  const name = source === "tls-ekm" ? "ekm" : "key2";
  const fields = readFields(material, ["source", name], undefined, "material");
  return Uint8Array.from(readExactBytes(fields[name], name, DATA_KEYS_BYTES));
}

/** OpenVPN's key method 2: a master secret, then the keys, both by the PRF of TLS 1.0. */
function expandTlsPrf(material: unknown): Uint8Array {
  const lengths = {
    clientPreMaster: 48,
    clientRandom1: 32,
    clientRandom2: 32,
    serverRandom1: 32,
    serverRandom2: 32,
    clientSessionId: 8,
    serverSessionId: 8,
  };
  const names = Object.keys(lengths) as (keyof typeof lengths)[];
  const fields = readFields(material, ["source", ...names], undefined, "material");
  const bytes = (name: keyof typeof lengths) => readExactBytes(fields[name], name, lengths[name]);
  for (const name of names) bytes(name);
  const master = tls1Prf(
    bytes("clientPreMaster"),
    ["OpenVPN master secret", bytes("clientRandom1"), bytes("serverRandom1")],
    MASTER_BYTES,
  );
  const randoms = [bytes("clientRandom2"), bytes("serverRandom2")];
  const sessionIds = [bytes("clientSessionId"), bytes("serverSessionId")];
  const key2 = tls1Prf(master, ["OpenVPN key expansion", ...randoms, ...sessionIds], DATA_KEYS_BYTES);
  master.fill(0);
  return key2;
}

/** The PRF of TLS 1.0 (RFC 2246, 5): P_MD5 with one half of the secret, P_SHA1 with the other, added. */
function tls1Prf(
  secret: Uint8Array,
  [label, ...seeds]: readonly [string, ...Uint8Array[]],
  length: number,
): Uint8Array {
  const seed = Buffer.concat([Buffer.from(label), ...seeds]);
  const half = Math.ceil(secret.length / 2);
  const output = expand("md5", secret.subarray(0, half), seed, length);
  const sha1 = expand("sha1", secret.subarray(-half), seed, length);
  for (let i = 0; i < length; i++) output[i] = (output[i] as number) ^ (sha1[i] as number);
  sha1.fill(0);
  seed.fill(0);
  return output;
}

/** P_hash of RFC 2246, 5. */
function expand(hash: "md5" | "sha1", secret: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const output = new Uint8Array(length);
  let a = hmac(hash, secret).update(seed).digest();
  for (let at = 0; at < length; ) {
    const block = hmac(hash, secret).update(a).update(seed).digest();
    output.set(block.subarray(0, length - at), at);
    at += block.length;
    block.fill(0);
    const next = hmac(hash, secret).update(a).digest();
    a.fill(0);
    a = next;
  }
  a.fill(0);
  return output;
}

function hmac(hash: "md5" | "sha1", secret: Uint8Array): Hmac {
  try {
    return createHmac(hash, secret);
  } catch (cause) {
    const problem = `this OpenSSL has no ${hash.toUpperCase()} (FIPS mode?), which OpenVPN's older key exchange needs`;
    throw new DcoError("unsupported", `source: ${problem}; use exported keying material`, {
      field: "source",
      cause,
    });
  }
}
