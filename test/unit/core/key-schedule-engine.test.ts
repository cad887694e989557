/**
 * KeySchedule over the engine of the contract: its slots, its ledger and its events.
 */
import { describe, expect, it } from "vitest";
import { KeySchedule } from "../../../src/core/key-schedule.ts";
import { failureOf } from "./fake-key-target.ts";
import { freshKey, peer, setUp, turns } from "./support.ts";

async function withSchedule(deleteKey = true) {
  const parts = await setUp("multipeer", { deleteKey });
  await parts.dco.addPeer(peer(7, parts.transport));
  const schedule = new KeySchedule(parts.dco, 7, { capabilities: { deleteKey } });
  const newKey = () => {
    const { slot: _slot, id: _id, ...key } = freshKey();
    return key;
  };
  const slots = async () =>
    Object.fromEntries((await parts.dco.keys(7)).map(({ slot, id }) => [slot, id] as const));
  return { ...parts, schedule, newKey, slots };
}

describe("KeySchedule over the engine", () => {
  it("rotates keys", async () => {
    const { schedule, newKey, slots, backend } = await withSchedule();
    await schedule.install(newKey());
    for (let id = 1; id < 10; id++) {
      const installed = await schedule.install(newKey());
      await schedule.activate(installed.id);
      await schedule.update({ encrypt: installed.id, valid: [installed.id] });
      expect(await slots()).toEqual({ primary: installed.id });
      expect(schedule.state).toMatchObject({ primary: installed.id, secondary: undefined });
    }
    expect(backend.log.filter((line) => line.includes("Key")).slice(0, 4)).toEqual([
      "installKey 7 primary 0",
      "installKey 7 secondary 1",
      "swapKeys 7",
      "deleteKey 7 secondary",
    ]);
  });

  it("rotates keys on a driver that deletes none", async () => {
    const { schedule, newKey, slots } = await withSchedule(false);
    await schedule.install(newKey());
    for (let i = 0; i < 9; i++) {
      const { id } = await schedule.install(newKey());
      await schedule.update({ encrypt: id, valid: [id] });
      expect((await slots())["primary"]).toBe(id);
    }
  });

  it("goes on after the kernel has destroyed the key that encrypts", async () => {
    const { schedule, newKey, slots, backend, events } = await withSchedule();
    await schedule.install(newKey());
    const { id } = await schedule.install(newKey());
    await schedule.activate(id);
    backend.tell({ type: "key-exhausted", peer: 7, keyId: id });
    await turns();
    const event = events.find(({ type }) => type === "key-exhausted");
    expect(event).toMatchObject({ peer: 7, keyId: id });
    schedule.exhausted(id);
    expect(await schedule.install(newKey())).toEqual({ id: 2, slot: "primary" });
    expect(await slots()).toEqual({ primary: 2, secondary: 0 });
  });

  it("changes nothing for a key that was used before", async () => {
    const { schedule, newKey } = await withSchedule();
    const key = newKey();
    await schedule.install(key);
    expect(await failureOf(schedule.install(key))).toMatchObject({ code: "invalid", field: "encrypt.key" });
    expect(schedule.state).toEqual({ primary: 0, secondary: undefined, nextId: 1, inStep: true });
  });

  it("wipes a key that was installed", async () => {
    const { schedule, newKey, backend } = await withSchedule();
    const key = { ...newKey(), wipe: true };
    const before = Uint8Array.from(key.encrypt.key);
    await schedule.install(key);
    expect(backend.keys_[0]?.key).toEqual(before);
    expect(Math.max(...key.encrypt.key, ...key.decrypt.nonceTail)).toBe(0);
  });

  it("fails with the peer, and is none the worse", async () => {
    const { schedule, newKey, dco } = await withSchedule();
    await schedule.install(newKey());
    await dco.removePeer(7);
    expect(await failureOf(schedule.install(newKey()))).toMatchObject({ code: "not-found" });
    expect(schedule.state).toMatchObject({ primary: 0, secondary: undefined, inStep: true });
  });
});
