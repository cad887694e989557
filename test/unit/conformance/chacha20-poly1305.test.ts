import { createCipheriv, createSecretKey, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { ChaCha20Poly1305 } from "../../conformance/bun/chacha20-poly1305.ts";

/** Bytes that OpenSSL makes of the same. */
function byOpenSsl(key: Buffer, nonce: Buffer, aad: Buffer, plain: Buffer) {
  const cipher = createCipheriv("chacha20-poly1305", createSecretKey(key), nonce, { authTagLength: 16 });
  cipher.setAAD(aad, { plaintextLength: plain.length });
  const ciphertext = cipher.update(plain);
  cipher.final();
  return { ciphertext, tag: cipher.getAuthTag() };
}

test.each([0, 1, 15, 16, 17, 63, 64, 65, 1400])("%d bytes are sealed as OpenSSL does, and opened", (size) => {
  const [key, nonce, aad, plain] = [32, 12, 8, size].map((length) => randomBytes(length)) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const expected = byOpenSsl(key, nonce, aad, plain);
  const sealing = new ChaCha20Poly1305(key, nonce, false).setAAD(aad);
  expect(sealing.update(plain).toString("hex")).toBe(expected.ciphertext.toString("hex"));
  expect(sealing.getAuthTag().toString("hex")).toBe(expected.tag.toString("hex"));

  const opening = new ChaCha20Poly1305(key, nonce, true).setAAD(aad).setAuthTag(expected.tag);
  expect(opening.update(expected.ciphertext).equals(plain)).toBe(true);
  opening.final();
  const changed = new ChaCha20Poly1305(key, nonce, true).setAAD(aad).setAuthTag(Buffer.alloc(16));
  changed.update(expected.ciphertext);
  expect(() => changed.final()).toThrow();
});
