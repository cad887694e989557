import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { DigestSet, KeyLedger } from "../../../src/core/key-ledger.ts";
import type { KeyOptions } from "../../../src/core/model.ts";
import { freshKey, peer, setUp } from "./support.ts";

describe("slots", () => {
  test("the first key goes into the primary slot, and key ids differ", async () => {
    const { dco, transport } = await setUp();
    await dco.addPeer(peer(1, transport));
    await expect(dco.installKey(1, freshKey("secondary"))).rejects.toMatchObject({
      code: "invalid",
      field: "slot",
    });
    await dco.installKey(1, freshKey("primary", 3));
    await expect(dco.installKey(1, freshKey("secondary", 3))).rejects.toMatchObject({
      code: "invalid",
      field: "id",
    });
    await dco.installKey(1, freshKey("secondary", 4));
    expect(await dco.keys(1)).toMatchObject([
      { slot: "primary", id: 3 },
      { slot: "secondary", id: 4 },
    ]);
  });

  test("a swap exchanges them; with an empty secondary slot it is not-found", async () => {
    const { dco, backend, transport } = await setUp();
    await dco.addPeer(peer(1, transport));
    await dco.installKey(1, freshKey("primary", 0));
    await expect(dco.swapKeys(1)).rejects.toMatchObject({ code: "not-found" });
    expect(backend.log).not.toContain("swapKeys 1");
    await dco.installKey(1, freshKey("secondary", 1));
    await dco.swapKeys(1);
    expect(await dco.keys(1)).toMatchObject([
      { slot: "primary", id: 1 },
      { slot: "secondary", id: 0 },
    ]);
  });

  test("deleting from an empty slot succeeds", async () => {
    const { dco, transport } = await setUp();
    await dco.addPeer(peer(1, transport));
    await dco.deleteKey(1, "secondary");
  });

  test("after a failure without effect the slot is as it was, after another one it is empty", async () => {
    const { dco, backend, transport } = await setUp();
    await dco.addPeer(peer(1, transport));
    await dco.installKey(1, freshKey("primary", 0));
    backend.failures.installKey = new DcoError("invalid", "no", { effect: "none" });
    const refused = freshKey("primary", 1);
    await expect(dco.installKey(1, refused)).rejects.toMatchObject({ code: "invalid" });
    expect(await dco.keys(1)).toMatchObject([{ id: 0 }]);
    backend.failures.installKey = new DcoError("system", "lost", { effect: "unknown" });
    await expect(dco.installKey(1, refused)).rejects.toMatchObject({ code: "system" });
    expect(await dco.keys(1)).toEqual([]);
    delete backend.failures.installKey;
    await expect(dco.installKey(1, refused)).rejects.toMatchObject({ field: "encrypt.key" });
  });
});

describe("keepalive", () => {
  test("is armed with the first key, once", async () => {
    const { dco, backend, transport } = await setUp();
    await dco.addPeer({ ...peer(1, transport), keepalive: { interval: 10, timeout: 60 } });
    await dco.setPeer(1, { keepalive: { interval: 5, timeout: 30 } });
    expect(backend.log.filter((line) => line.startsWith("setPeer"))).toEqual([]);
    await dco.installKey(1, freshKey("primary", 0));
    await dco.installKey(1, freshKey("secondary", 1));
    expect(backend.log.filter((line) => line.startsWith("setPeer"))).toEqual([
      'setPeer 1 {"interval":5,"timeout":30}',
    ]);
    await dco.setPeer(1, { keepalive: "off" });
    expect(backend.log.at(-1)).toBe('setPeer 1 "off"');
  });
});

describe("key material", () => {
  test("is not taken twice for one direction, on any peer", async () => {
    const { dco, transport } = await setUp();
    await dco.addPeer(peer(1, transport));
    await dco.addPeer(peer(2, transport));
    const key = freshKey();
    await dco.installKey(1, key);
    await expect(dco.installKey(2, { ...freshKey(), encrypt: key.encrypt })).rejects.toMatchObject({
      code: "invalid",
      field: "encrypt.key",
    });
    await expect(dco.installKey(2, { ...freshKey(), decrypt: key.decrypt })).rejects.toMatchObject({
      code: "invalid",
      field: "decrypt.key",
    });
    await dco.installKey(2, freshKey());
  });

  test("is zeroed for the caller with wipe: true, also when it is refused", async () => {
    const { dco, transport } = await setUp();
    await dco.addPeer(peer(1, transport));
    const zero = (key: KeyOptions) =>
      [key.encrypt.key, key.encrypt.nonceTail, key.decrypt.key, key.decrypt.nonceTail].every((bytes) =>
        bytes.every((byte) => byte === 0),
      );
    const good = { ...freshKey(), wipe: true };
    await dco.installKey(1, good);
    expect(zero(good)).toBe(true);
    const bad = { ...freshKey("secondary", 0), wipe: true };
    await expect(dco.installKey(1, bad)).rejects.toThrow();
    expect(zero(bad)).toBe(true);
    const kept = freshKey("secondary", 2);
    await dco.installKey(1, kept);
    expect(zero(kept)).toBe(false);
  });

  test("is in no error, in no form of printing it", async () => {
    const { dco, transport } = await setUp();
    await dco.addPeer(peer(1, transport));
    const key = freshKey();
    const secrets = [key.encrypt.key, key.decrypt.key].map((bytes) => Buffer.from(bytes).toString("hex"));
    const wrong = { ...key, encrypt: { ...key.encrypt, key: key.encrypt.key.subarray(1) } };
    const error = await dco.installKey(1, wrong).catch((refusal: unknown) => refusal);
    const shown = `${inspect(error, { depth: 9, showHidden: true })}${JSON.stringify(error)}${String(error)}`;
    for (const secret of secrets) expect(shown.replaceAll(" ", "")).not.toContain(secret.slice(2, 20));
    expect(error).toMatchObject({ field: "encrypt.key" });
  });

  test("the ledger tells 20,000 keys apart, and knows each again", () => {
    const ledger = new KeyLedger();
    const key = (n: number) => {
      const bytes = new Uint8Array(32);
      new DataView(bytes.buffer).setUint32(0, n);
      return bytes;
    };
    for (let n = 0; n < 20_000; n++) expect(ledger.reserve(key(n))).toBeDefined();
    for (let n = 0; n < 20_000; n++) expect(ledger.reserve(key(n))).toBeUndefined();
    const released = ledger.reserve(key(20_000));
    expect(ledger.reserve(key(20_000))).toBeUndefined();
    if (released) ledger.release(released);
    expect(ledger.reserve(key(20_000))).toBeDefined();
  });

  test("the ledger tells keys apart by their length, and forgets no byte", () => {
    const ledger = new KeyLedger();
    for (const length of [16, 24, 32]) expect(ledger.reserve(new Uint8Array(length).fill(7))).toBeDefined();
    for (const length of [32, 24, 16]) expect(ledger.reserve(new Uint8Array(length).fill(7))).toBeUndefined();
    const last = new Uint8Array(32).fill(7);
    last[31] = 8;
    expect(ledger.reserve(last)).toBeDefined();
  });

  test("the ledger's set is a set, whatever is added and deleted", () => {
    // Few places, so that most of them are another's.
    const value = fc.record({ low: fc.integer({ min: 1, max: 4 }), high: fc.integer({ min: 0, max: 12 }) });
    const step = fc.record({ add: fc.boolean(), value });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        const set = new DigestSet();
        const wanted = new Set<string>();
        for (const { add, value } of steps) {
          const { low, high } = value;
          if (add) set.add(low, high);
          else set.delete(low, high);
          if (add) wanted.add(`${low} ${high}`);
          else wanted.delete(`${low} ${high}`);
        }
        expect(set.size).toBe(wanted.size);
        for (let low = 1; low <= 4; low++) {
          for (let high = 0; high <= 12; high++) {
            expect(set.has(low, high)).toBe(wanted.has(`${low} ${high}`));
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

test("wipe: true zeroes the key of a call that is refused before it begins", async () => {
  const { dco, transport } = await setUp();
  await dco.addPeer(peer(1, transport));
  const aborted = { ...freshKey(), wipe: true };
  await expect(dco.installKey(1, aborted, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: "aborted",
  });
  await dco.close();
  const closed = { ...freshKey(), wipe: true };
  await expect(dco.installKey(1, closed)).rejects.toMatchObject({ code: "closed" });
  for (const { encrypt, decrypt } of [aborted, closed]) {
    for (const bytes of [encrypt.key, encrypt.nonceTail, decrypt.key, decrypt.nonceTail]) {
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    }
  }
});

test("after an installation whose outcome is unknown the kernel is asked to delete", async () => {
  const { dco, backend, transport } = await setUp();
  await dco.addPeer(peer(1, transport));
  await dco.installKey(1, freshKey("primary", 0));
  backend.failures.installKey = new DcoError("system", "lost", { effect: "unknown" });
  await expect(dco.installKey(1, freshKey("secondary", 1))).rejects.toMatchObject({ code: "system" });
  await dco.deleteKey(1, "secondary");
  expect(backend.log.at(-1)).toBe("deleteKey 1 secondary");
});
