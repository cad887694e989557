/**
 * Keys that are wiped: on every way out, and never put into a kernel afterwards.
 */
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { KeySchedule } from "../../../src/core/key-schedule.ts";
import type { KeyOptions } from "../../../src/core/model.ts";
import { freshKey, gate, peer, setUp, turns } from "./support.ts";

function isZero({ encrypt, decrypt }: KeyOptions): boolean {
  const arrays = [encrypt.key, encrypt.nonceTail, decrypt.key, decrypt.nonceTail];
  return arrays.every((bytes) => bytes.every((byte) => byte === 0));
}

const wiping = (slot: "primary" | "secondary" = "primary", id = 0) => ({ ...freshKey(slot, id), wipe: true });

test("a key that was wiped while it waited for its turn does not reach the kernel", async () => {
  const { dco, backend, transport } = await setUp();
  await dco.addPeer(peer(1, transport));
  const key = wiping();
  // Not only the second: that may begin before the first has wiped.
  const results = await Promise.allSettled([1, 2, 3, 4].map(() => dco.installKey(1, key)));
  const refused = { reason: { code: "invalid", field: "encrypt.key" } };
  expect(results).toMatchObject([{ status: "fulfilled" }, refused, refused, refused]);
  expect(backend.keys_).toHaveLength(1);
});

test("nor does one of whose directions only one was wiped", async () => {
  const { dco, backend, transport } = await setUp();
  await dco.addPeer(peer(1, transport));
  const first = wiping();
  const others = [1, 2, 3].map(() => ({ ...freshKey(), decrypt: first.decrypt }));
  const results = await dco.installKeys([first, ...others].map((key) => ({ peer: 1, key })));
  const refused = (at: number) => ({
    ok: false,
    error: { code: "invalid", field: `keys[${at}].key.decrypt.key` },
  });
  expect(results).toMatchObject([{ ok: true }, refused(1), refused(2), refused(3)]);
  expect(backend.keys_).toHaveLength(1);
});

test("bulk: what an abort leaves out is wiped as well", async () => {
  const { dco, transport } = await setUp();
  await dco.addPeer(peer(1, transport));
  const keys = [wiping(), wiping()];
  const items = keys.map((key) => ({ peer: 1, key }));
  const results = await dco.installKeys(items, { signal: AbortSignal.abort() });
  expect(results).toMatchObject([{ error: { code: "aborted" } }, { error: { code: "aborted" } }]);
  expect(keys.every(isZero)).toBe(true);
});

test("bulk: so is what a close leaves out", async () => {
  const { dco, backend, transport } = await setUp();
  await dco.addPeer(peer(1, transport));
  const held = gate();
  backend.gates.installKey = held.promise;
  const keys = Array.from({ length: 70 }, () => wiping());
  const installing = dco.installKeys(keys.map((key) => ({ peer: 1, key })));
  await turns();
  const closing = dco.close();
  await expect(installing).rejects.toMatchObject({ code: "closed" });
  held.open();
  await closing;
  expect(keys.map(isZero)).toEqual(keys.map(() => true));
  const late = wiping();
  await expect(dco.installKeys([{ peer: 1, key: late }])).rejects.toMatchObject({ code: "closed" });
  expect(isZero(late)).toBe(true);
});

test("arrays of another realm are wiped too", async () => {
  const { dco, transport } = await setUp();
  await dco.addPeer(peer(1, transport));
  const bytes = (length: number) => runInNewContext(`new Uint8Array(${length}).fill(7)`) as Uint8Array;
  const key = {
    ...wiping(),
    encrypt: { key: bytes(32), nonceTail: bytes(8) },
    decrypt: { key: bytes(32).fill(8), nonceTail: bytes(8) },
  };
  await dco.installKey(1, key);
  expect(isZero(key)).toBe(true);
});

test("arrays of another realm are wiped by a key schedule that does not hand them over", async () => {
  const target = { installKey: async () => {}, swapKeys: async () => {}, deleteKey: async () => {} };
  const schedule = new KeySchedule(target, 1, { capabilities: { deleteKey: true } });
  const key = {
    ...wiping(),
    encrypt: { key: runInNewContext("new Uint8Array(32).fill(7)"), nonceTail: new Uint8Array(8) },
    id: 99,
  };
  await expect(schedule.install(key)).rejects.toMatchObject({ code: "invalid" });
  expect(isZero(key)).toBe(true);
});
