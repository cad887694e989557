import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CIPHER_KEY_BYTES, CIPHERS, type CipherName } from "../../../src/core/model.ts";
import { validateKey, validateSlot } from "../../../src/core/validate.ts";
import { capabilities, expectInvalid, expectUnsupported, refusal } from "./fixtures.ts";

const direction = (bytes = 32) => ({ key: randomBytes(bytes), nonceTail: randomBytes(8) });

function key(cipher: CipherName = "aes-256-gcm") {
  const bytes = CIPHER_KEY_BYTES[cipher];
  return { slot: "primary", id: 0, cipher, encrypt: direction(bytes), decrypt: direction(bytes) };
}

const check = (given: unknown) => validateKey(given, capabilities());

describe("keys", () => {
  it.each(CIPHERS)("of %s have the length of their cipher, and no other", (cipher) => {
    const given = key(cipher);
    const checked = check(given);
    expect(checked).toMatchObject({ slot: "primary", id: 0, cipher });
    expect(checked.encryptKey).toBe(given.encrypt.key);
    expect(checked.encryptNonceTail).toBe(given.encrypt.nonceTail);
    expect(checked.decryptKey).toBe(given.decrypt.key);
    expect(checked.decryptNonceTail).toBe(given.decrypt.nonceTail);
    for (const bytes of [0, 16, 24, 32, 33, 64]) {
      if (bytes === CIPHER_KEY_BYTES[cipher]) continue;
      const short = { ...given, decrypt: direction(bytes) };
      expectInvalid(() => check(short), "decrypt.key", new RegExp(`for ${cipher}, not ${bytes}$`));
    }
  });

  it("are the caller's own arrays, of any Uint8Array", () => {
    const plain = new Uint8Array(64).fill(7);
    const encrypt = { key: plain.subarray(3, 35), nonceTail: plain.subarray(40, 48) };
    expect(check({ ...key(), encrypt }).encryptKey).toBe(encrypt.key);
  });

  it.each<[string, object, string, RegExp]>([
    ["no slot", { slot: undefined }, "slot", /is missing/],
    ["another slot", { slot: "tertiary" }, "slot", /"primary" or "secondary"/],
    ["key id 8", { id: 8 }, "id", /from 0 to 7, not 8/],
    ["a negative key id", { id: -1 }, "id", /from 0 to 7/],
    ["a fractional key id", { id: 0.5 }, "id", /from 0 to 7/],
    ["no cipher", { cipher: undefined }, "cipher", /is missing/],
    ["the cipher in capitals", { cipher: "AES-256-GCM" }, "cipher", /"aes-256-gcm"/],
    ["no encryption", { cipher: "none" }, "cipher", /must be/],
    ["one direction", { decrypt: undefined }, "decrypt", /is missing/],
    ["an unknown option", { keyId: 1 }, "keyId", /unknown option "keyId"/],
    ["an unknown field", { encrypt: { ...direction(), iv: 1 } }, "encrypt.iv", /unknown option "iv"/],
    ["no nonce tail", { encrypt: { key: randomBytes(32) } }, "encrypt.nonceTail", /is missing/],
    [
      "a short nonce tail",
      { encrypt: { ...direction(), nonceTail: randomBytes(7) } },
      "encrypt.nonceTail",
      /8 bytes, not 7/,
    ],
    [
      "a whole nonce",
      { encrypt: { ...direction(), nonceTail: randomBytes(12) } },
      "encrypt.nonceTail",
      /8 bytes, not 12/,
    ],
    ["a key of text", { decrypt: { ...direction(), key: "00".repeat(32) } }, "decrypt.key", /not a string/],
    [
      "a key of numbers",
      { decrypt: { ...direction(), key: new Array(32).fill(1) } },
      "decrypt.key",
      /not an array/,
    ],
    ["a key of words", { decrypt: { ...direction(), key: new Uint16Array(32) } }, "decrypt.key", /not bytes/],
    [
      "a key in shared memory",
      { decrypt: { ...direction(), key: new Uint8Array(new SharedArrayBuffer(32)) } },
      "decrypt.key",
      /shared memory/,
    ],
    ["wipe as a number", { wipe: 1 }, "wipe", /true or false/],
  ])("refuse %s", (_what, change, field, problem) => {
    expectInvalid(() => check({ ...key(), ...change }), field, problem);
    expectInvalid(
      () => validateKey({ ...key(), ...change }, capabilities(), "keys[3].key"),
      `keys[3].key.${field}`,
      problem,
    );
  });

  it("refuse the same for both directions, even as copies", () => {
    const encrypt = direction();
    const decrypt = { key: Buffer.from(encrypt.key), nonceTail: Buffer.from(encrypt.nonceTail) };
    expectInvalid(() => check({ ...key(), encrypt, decrypt }), "decrypt", /same nonces with the same key/);
    const otherTail = { ...decrypt, nonceTail: randomBytes(8) };
    expect(check({ ...key(), encrypt, decrypt: otherTail }).decryptKey).toBe(decrypt.key);
  });

  it("refuse a cipher that the kernel lacks", () => {
    const kernel = capabilities({ ciphers: ["aes-256-gcm"] });
    expectUnsupported(() => validateKey(key("chacha20-poly1305"), kernel), "ciphers");
  });

  it("refuse what is no object", () => {
    expectInvalid(() => check(undefined), "key", /is missing/);
    expectInvalid(() => check(randomBytes(32)), "key", /not bytes/);
  });

  it("never tell what they are: whatever field is wrong, and whatever stands in for another", () => {
    const secret = "c0ffee5ec2e7".repeat(6);
    const places = [
      ["slot"],
      ["id"],
      ["cipher"],
      ["encrypt"],
      ["wipe"],
      ["encrypt", "key"],
      ["decrypt", "nonceTail"],
    ];
    const kinds = [secret, Buffer.from(secret, "hex"), [secret], { secret }, Buffer.from(secret)];
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.constantFrom(...kinds), ([outer, inner], value) => {
        const given: Record<string, unknown> = key();
        if (inner === undefined) given[outer as string] = value;
        else given[outer as string] = { ...(given[outer as string] as object), [inner]: value };
        const error = refusal(() => check(given));
        const told = `${error.message}${JSON.stringify(error)}${inspect(error, { depth: 9, showHidden: true })}`;
        expect(told).not.toContain("c0ffee5e");
        expect(told).not.toContain("192,255,238"); // its first bytes in decimal
      }),
    );
  });
});

describe("slots", () => {
  it("are primary and secondary", () => {
    expect(validateSlot("secondary")).toBe("secondary");
    expectInvalid(() => validateSlot(1), "slot", /must be "primary" or "secondary", not a number/);
    expectInvalid(() => validateSlot(undefined, "from"), "from", /is missing/);
  });
});
