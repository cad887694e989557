import { readFileSync } from "node:fs";
import { duplexPair } from "node:stream";
import { connect, createSecureContext, TLSSocket } from "node:tls";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  DATA_KEYS_BYTES,
  DATA_KEYS_LABEL,
  type DataKeys,
  deriveDataKeys,
  type KeyMaterial,
} from "../../../src/core/key-derivation.ts";
import { CIPHER_KEY_BYTES, CIPHERS, type CipherName } from "../../../src/core/model.ts";
import { validateKey } from "../../../src/core/validate.ts";
import { capabilities, expectInvalid, refusal } from "./fixtures.ts";

const withoutMd5 = vi.hoisted(() => ({ on: false }));
vi.mock("node:crypto", async (original) => {
  const crypto = await original<typeof import("node:crypto")>();
  return {
    ...crypto,
    createHmac: (hash: string, key: Uint8Array) => {
      // What OpenSSL says where its configuration allows approved algorithms only.
      if (withoutMd5.on && hash === "md5")
        throw new Error("error:0308010C:digital envelope routines::unsupported");
      return crypto.createHmac(hash, key);
    },
  };
});

interface HexDirection {
  readonly key: string;
  readonly nonceTail: string;
}
interface HexKeys {
  readonly encrypt: HexDirection;
  readonly decrypt: HexDirection;
}
interface Vector {
  readonly name: string;
  readonly material: Readonly<Record<string, string>> & { readonly source: string };
  readonly expected: Readonly<Record<CipherName, Readonly<Record<"client" | "server", HexKeys>>>>;
}

const file = new URL("../../vectors/key-derivation.json", import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { readonly vectors: readonly Vector[] };

function materialOf({ material }: Vector): KeyMaterial {
  const parts = Object.entries(material).map(([name, text]) => [
    name,
    name === "source" ? text : new Uint8Array(Buffer.from(text, "hex")),
  ]);
  return Object.fromEntries(parts) as KeyMaterial;
}

function toHex({ encrypt, decrypt }: DataKeys): HexKeys {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  return {
    encrypt: { key: hex(encrypt.key), nonceTail: hex(encrypt.nonceTail) },
    decrypt: { key: hex(decrypt.key), nonceTail: hex(decrypt.nonceTail) },
  };
}

/** The labels of the PRF's two steps. */
const MASTER_LABEL = "OpenVPN master secret";
const KEYS_LABEL = "OpenVPN key expansion";

const vector = (source: string) => vectors.find(({ material }) => material.source === source) as Vector;

afterEach(() => {
  withoutMd5.on = false;
});

describe.each(vectors)("deriveDataKeys from $name", (one) => {
  it.each(CIPHERS)("gives the keys of %s for both ends", (cipher) => {
    for (const role of ["client", "server"] as const) {
      expect(toHex(deriveDataKeys(materialOf(one), role, cipher))).toEqual(one.expected[cipher][role]);
    }
  });

  it("leaves the material as it is, and gives arrays of their own", () => {
    const material = materialOf(one);
    const before = structuredClone(material);
    const { encrypt, decrypt } = deriveDataKeys(material, "client", "aes-256-gcm");
    for (const bytes of [encrypt.key, encrypt.nonceTail, decrypt.key, decrypt.nonceTail]) {
      expect(bytes.buffer.byteLength).toBe(bytes.length);
      bytes.fill(0);
    }
    expect(material).toEqual(before);
  });
});

describe("deriveDataKeys", () => {
  it("gives one end's encrypt as the other's decrypt, and keys that can be installed", () => {
    const bytes = fc.uint8Array({ minLength: DATA_KEYS_BYTES, maxLength: DATA_KEYS_BYTES, min: 1 });
    fc.assert(
      fc.property(bytes, fc.constantFrom(...CIPHERS), fc.boolean(), (material, cipher, exported) => {
        const given: KeyMaterial = exported
          ? { source: "tls-ekm", ekm: material }
          : { source: "key2", key2: material };
        const client = deriveDataKeys(given, "client", cipher);
        const server = deriveDataKeys(given, "server", cipher);
        expect(client.encrypt).toEqual(server.decrypt);
        expect(client.decrypt).toEqual(server.encrypt);
        fc.pre(Buffer.compare(material.subarray(0, 128), material.subarray(128)) !== 0);
        const key = { slot: "primary", id: 0, cipher, ...client };
        expect(validateKey(key, capabilities()).encryptKey).toHaveLength(CIPHER_KEY_BYTES[cipher]);
      }),
    );
  });

  it("agrees between the two ends of a TLS session", async () => {
    const psk = { identity: "test", psk: Buffer.alloc(32, 5) };
    const only = { ciphers: "PSK-AES256-GCM-SHA384", maxVersion: "TLSv1.2" } as const;
    const [near, far] = duplexPair();
    const server = new TLSSocket(far, {
      isServer: true,
      secureContext: createSecureContext(only),
      pskCallback: () => psk.psk,
    } as never);
    const client = connect({
      ...only,
      socket: near,
      pskCallback: () => psk,
      checkServerIdentity: () => undefined,
    });
    try {
      const secure = (socket: TLSSocket, event: string) =>
        new Promise((resolve, reject) => socket.once(event, resolve).once("error", reject));
      await Promise.all([secure(client, "secureConnect"), secure(server, "secure")]);
      const keysOf = (socket: TLSSocket, role: "client" | "server") => {
        // OpenVPN asks OpenSSL for material without a context, which TLS 1.2 tells from an empty one.
        const ekm = socket.exportKeyingMaterial(DATA_KEYS_BYTES, DATA_KEYS_LABEL, undefined as never);
        return deriveDataKeys({ source: "tls-ekm", ekm }, role, "aes-256-gcm");
      };
      expect(keysOf(client, "client").encrypt).toEqual(keysOf(server, "server").decrypt);
      expect(keysOf(client, "client").decrypt).toEqual(keysOf(server, "server").encrypt);
    } finally {
      client.destroy();
      server.destroy();
    }
  });

  it("zeroes what it made on the way, and nothing else", () => {
    const zeroed: Uint8Array[] = [];
    const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
    for (const prototype of [typedArray, Buffer.prototype]) {
      const fill = prototype.fill;
      vi.spyOn(prototype, "fill").mockImplementation(function (this: Uint8Array, ...args: unknown[]) {
        zeroed.push(this);
        return Reflect.apply(fill, this, args) as never;
      });
    }
    const keys = deriveDataKeys(materialOf(vector("tls-prf")), "client", "aes-256-gcm");
    vi.restoreAllMocks();
    for (const bytes of zeroed) expect(Math.max(...bytes)).toBe(0);
    const times = (length: number) => zeroed.filter((bytes) => bytes.length === length).length;
    // A master secret of 48 bytes and keys of 256, each the sum of two expansions, of which one is a copy.
    expect([times(48), times(256)]).toEqual([2, 2]);
    expect([times(MASTER_LABEL.length + 2 * 32), times(KEYS_LABEL.length + 2 * 32 + 2 * 8)]).toEqual([1, 1]);
    // Each expansion: a block and a chaining value for each part of the output, and one chaining value more.
    const parts = (hash: number) => [48, 256].map((length) => 2 * Math.ceil(length / hash) + 1);
    expect([times(16), times(20)]).toEqual([16, 20].map((hash) => parts(hash).reduce((a, b) => a + b)));
    expect(toHex(keys)).toEqual(vector("tls-prf").expected["aes-256-gcm"].client);
  });

  it("needs MD5 for the PRF of TLS 1.0, and says so", () => {
    withoutMd5.on = true;
    const prf = materialOf(vector("tls-prf"));
    const error = refusal(() => deriveDataKeys(prf, "client", "aes-256-gcm"));
    expect(error).toMatchObject({ code: "unsupported", field: "source" });
    expect(error.message).toMatch(/no MD5.*use exported keying material/);
    const ekm = materialOf(vector("tls-ekm"));
    expect(deriveDataKeys(ekm, "client", "aes-256-gcm").encrypt.key).toHaveLength(32);
  });

  it.each<[string, unknown, string, RegExp]>([
    ["nothing", undefined, "material", /must be an object/],
    ["null", null, "source", /is missing/],
    ["no source", { ekm: new Uint8Array(256) }, "source", /is missing/],
    ["another source", { source: "psk" }, "source", /"tls-ekm" or "key2" or "tls-prf"/],
    ["short material", { source: "tls-ekm", ekm: new Uint8Array(255) }, "ekm", /256 bytes, not 255/],
    [
      "material of another source",
      { source: "tls-ekm", key2: new Uint8Array(256) },
      "key2",
      /unknown option/,
    ],
    ["text", { source: "key2", key2: "00".repeat(256) }, "key2", /not a string/],
    ["material of zeros", { source: "key2", key2: new Uint8Array(256) }, "material", /key of zeros/],
    [
      "a missing random value",
      { ...materialOf(vector("tls-prf")), serverRandom2: undefined },
      "serverRandom2",
      /missing/,
    ],
    [
      "a short session id",
      { ...materialOf(vector("tls-prf")), clientSessionId: new Uint8Array(7) },
      "clientSessionId",
      /8 bytes, not 7/,
    ],
  ])("refuses %s", (_what, material, field, problem) => {
    expectInvalid(() => deriveDataKeys(material as KeyMaterial, "client", "aes-256-gcm"), field, problem);
  });

  it("refuses another role and another cipher", () => {
    const material = materialOf(vector("key2"));
    expectInvalid(
      () => deriveDataKeys(material, "peer" as never, "aes-256-gcm"),
      "role",
      /"client" or "server"/,
    );
    expectInvalid(() => deriveDataKeys(material, "client", "bf-cbc" as never), "cipher", /"aes-128-gcm"/);
  });
});
