/**
 * Loaded before the suite (`bun --preload`): gives `node:crypto` the cipher that Bun's lacks. What it has stays.
 */
import type { KeyObject } from "node:crypto";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { ChaCha20Poly1305 } from "./chacha20-poly1305.ts";

const CIPHER = "chacha20-poly1305";

type Create = (algorithm: string, key: KeyObject, nonce: Uint8Array, options: object) => unknown;
type Crypto = { createCipheriv: Create; createDecipheriv: Create; getCiphers: () => string[] };

const crypto = createRequire(import.meta.url)("node:crypto") as Crypto;
const ciphers = crypto.getCiphers();

if (!ciphers.includes(CIPHER)) {
  const { createCipheriv, createDecipheriv } = crypto;
  const made =
    (create: Create, opens: boolean): Create =>
    (algorithm, key, nonce, options) =>
      algorithm === CIPHER
        ? new ChaCha20Poly1305(key.export(), nonce, opens)
        : create(algorithm, key, nonce, options);
  crypto.createCipheriv = made(createCipheriv, false);
  crypto.createDecipheriv = made(createDecipheriv, true);
  crypto.getCiphers = () => [...ciphers, CIPHER];
  syncBuiltinESMExports();
}
