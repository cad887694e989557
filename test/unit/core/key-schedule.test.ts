import { describe, expect, it } from "vitest";
import { KeySchedule } from "../../../src/core/key-schedule.ts";
import type { RekeyLimits } from "../../../src/core/key-usage.ts";
import type { PeerStats } from "../../../src/core/model.ts";
import { FakeKeyTarget, failureOf, slotsOf, someKey } from "./fake-key-target.ts";
import { expectInvalid } from "./fixtures.ts";

function setUp(options: { deleteKey?: boolean; limits?: RekeyLimits } = {}) {
  const target = new FakeKeyTarget();
  const time = { now: 0 };
  const schedule = new KeySchedule(target, 7, {
    capabilities: { deleteKey: options.deleteKey ?? true },
    ...(options.limits && { limits: options.limits }),
    clock: () => time.now,
  });
  return { target, schedule, time };
}

interface Traffic {
  rxBytes?: bigint;
  txBytes?: bigint;
  rxPackets?: bigint | undefined;
  txPackets?: bigint | undefined;
}

const NO_TRAFFIC = { rxBytes: 0n, txBytes: 0n, rxPackets: 0n, txPackets: 0n };

function stats(traffic: Traffic = {}, generation = 1): PeerStats {
  return { id: 7, generation, link: { ...NO_TRAFFIC, ...traffic }, tunnel: undefined };
}

describe("slots and key ids", () => {
  it("a rotation is install, install, swap, delete", async () => {
    const { target, schedule } = setUp();
    expect(await schedule.install(someKey())).toEqual({ id: 0, slot: "primary" });
    expect(await schedule.install(someKey())).toEqual({ id: 1, slot: "secondary" });
    expect(schedule.state).toEqual({ primary: 0, secondary: 1, nextId: 2, inStep: true });
    await schedule.activate(1);
    expect(schedule.state).toMatchObject({ primary: 1, secondary: 0 });
    await schedule.retire(0);
    expect(schedule.state).toMatchObject({ primary: 1, secondary: undefined });
    expect(target.commands).toEqual(["new primary 0", "new secondary 1", "swap", "delete secondary"]);
  });

  it("ids go from 0 to 7 and then from 1 to 7 again", async () => {
    const { schedule } = setUp();
    const ids: number[] = [];
    for (let i = 0; i < 17; i++) {
      const { id } = await schedule.install(someKey());
      await schedule.activate(id);
      ids.push(id);
    }
    expect(ids).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7, 1, 2]);
  });

  it("an id that is in a slot is passed over", async () => {
    const { schedule } = setUp();
    await schedule.install({ ...someKey(), id: 1 });
    for (let id = 2; id <= 7; id++) await schedule.install(someKey());
    expect(schedule.state).toMatchObject({ primary: 1, secondary: 7, nextId: 2 });
  });

  it("both ends may agree on an id, which is not in a slot", async () => {
    const { target, schedule } = setUp();
    expect(await schedule.install({ ...someKey(), id: 5 })).toEqual({ id: 5, slot: "primary" });
    expect(schedule.state.nextId).toBe(6);
    expect(await failureOf(schedule.install({ ...someKey(), id: 5 }))).toMatchObject({
      code: "invalid",
      field: "id",
    });
    expect(await failureOf(schedule.install({ ...someKey(), id: 8 }))).toMatchObject({
      code: "invalid",
      field: "id",
    });
    await schedule.install({ ...someKey(), id: 3 });
    expect(await failureOf(schedule.install({ ...someKey(), id: 3 }))).toMatchObject({
      code: "invalid",
      field: "id",
    });
    expect(target.commands).toEqual(["new primary 5", "new secondary 3"]);
  });

  it("a new key overwrites one that waits in the secondary slot", async () => {
    const { target, schedule } = setUp();
    for (let i = 0; i < 3; i++) await schedule.install(someKey());
    expect(schedule.state).toMatchObject({ primary: 0, secondary: 2 });
    expect(slotsOf(target)).toEqual({ primary: 0, secondary: 2 });
    expect(await failureOf(schedule.activate(1))).toMatchObject({ code: "protocol" });
  });

  it("calls wait for each other", async () => {
    const { target, schedule } = setUp();
    const first = schedule.install(someKey());
    const second = schedule.install(someKey());
    await Promise.all([first, second, schedule.activate(1), schedule.retire(0), schedule.activate(1)]);
    expect(target.commands).toEqual(["new primary 0", "new secondary 1", "swap", "delete secondary"]);
  });

  it("a failed call does not stop those that wait", async () => {
    const { target, schedule } = setUp();
    target.failNext = "none";
    const failed = schedule.install(someKey());
    const next = schedule.install(someKey());
    expect(await failureOf(failed)).toMatchObject({ code: "system" });
    expect(await next).toEqual({ id: 0, slot: "primary" });
  });

  it("hands the call's options on", async () => {
    const { target, schedule } = setUp();
    const { signal } = new AbortController();
    await schedule.install(someKey(), { signal });
    await schedule.install(someKey(), { signal });
    await schedule.update({ encrypt: 1, valid: [1] }, { signal });
    await schedule.deleteAll({ signal });
    expect(target.signals).toEqual(new Array(6).fill(signal));
  });

  it("starts with what an adopted peer has", async () => {
    const target = new FakeKeyTarget();
    target.slots.set("primary", 3).set("secondary", 2);
    const schedule = new KeySchedule(target, 7, {
      capabilities: { deleteKey: true },
      installed: [
        { slot: "primary", id: 3, cipher: "aes-gcm" },
        { slot: "secondary", id: 2, cipher: "aes-gcm" },
      ],
    });
    expect(schedule.state).toEqual({ primary: 3, secondary: 2, nextId: 4, inStep: true });
    const unknown = new KeySchedule(target, 7, {
      capabilities: { deleteKey: true },
      installed: [{ slot: "primary", id: undefined, cipher: undefined }],
    });
    expect(unknown.state).toEqual({ primary: undefined, secondary: undefined, nextId: 0, inStep: true });
    expect((await unknown.install(someKey())).slot).toBe("secondary");
  });
});

describe("update", () => {
  async function withTwoKeys(options: { deleteKey?: boolean } = {}) {
    const parts = setUp(options);
    await parts.schedule.install(someKey());
    await parts.schedule.install(someKey());
    parts.target.commands.length = 0;
    return parts;
  }

  it("does nothing while no key is installed", async () => {
    const { target, schedule } = setUp();
    await schedule.update({ encrypt: undefined, valid: [] });
    await schedule.update({ encrypt: 3, valid: [3, 2] });
    expect(target.commands).toEqual([]);
  });

  it("deletes all keys when none is usable", async () => {
    const { target, schedule } = await withTwoKeys();
    await schedule.update({ encrypt: undefined, valid: [] });
    expect(target.commands).toEqual(["delete primary", "delete secondary"]);
    expect(schedule.state).toEqual({ primary: undefined, secondary: undefined, nextId: 2, inStep: true });
  });

  it("fails when the key to encrypt with is not installed", async () => {
    const { target, schedule } = await withTwoKeys();
    const error = await failureOf(schedule.update({ encrypt: 2, valid: [2, 1] }));
    expect(error).toMatchObject({ code: "protocol", effect: "none" });
    expect(error.message).toMatch(/the session has to start again/);
    expect(target.commands).toEqual([]);
    expect(schedule.state).toMatchObject({ primary: 0, secondary: 1, inStep: true });
  });

  it("swaps when the key to encrypt with is the secondary, and keeps the other valid key", async () => {
    const { target, schedule } = await withTwoKeys();
    await schedule.update({ encrypt: 1, valid: [1, 0] });
    expect(target.commands).toEqual(["swap"]);
    expect(schedule.state).toMatchObject({ primary: 1, secondary: 0 });
  });

  it("fails when the other valid key is not the primary", async () => {
    const { target, schedule } = await withTwoKeys();
    expect(await failureOf(schedule.update({ encrypt: 1, valid: [1, 5] }))).toMatchObject({
      code: "protocol",
    });
    expect(target.commands).toEqual([]);
  });

  it("swaps and deletes when no other key is valid", async () => {
    const { target, schedule } = await withTwoKeys();
    await schedule.update({ encrypt: 1, valid: [1] });
    expect(target.commands).toEqual(["swap", "delete secondary"]);
    expect(schedule.state).toMatchObject({ primary: 1, secondary: undefined });
  });

  it("forgets a key that is not valid any more, and deletes it later", async () => {
    const { target, schedule } = await withTwoKeys();
    await schedule.update({ encrypt: 0, valid: [0, 5] });
    expect(target.commands).toEqual([]);
    expect(schedule.state).toMatchObject({ primary: 0, secondary: undefined });
    await schedule.update({ encrypt: 0, valid: [0] });
    expect(target.commands).toEqual(["delete secondary"]);
  });

  it("without delete-key forgets the slot, and lets the next key overwrite it", async () => {
    const { target, schedule } = await withTwoKeys({ deleteKey: false });
    await schedule.update({ encrypt: 1, valid: [1] });
    expect(target.commands).toEqual(["swap"]);
    expect(schedule.state).toMatchObject({ primary: 1, secondary: undefined });
    expect(await schedule.install(someKey())).toEqual({ id: 2, slot: "secondary" });
    expect(slotsOf(target)).toEqual({ primary: 1, secondary: 2 });
    await schedule.retire(2);
    expect(schedule.state.secondary).toBeUndefined();
    const error = await failureOf(schedule.deleteAll());
    expect(error).toMatchObject({ code: "unsupported", capability: "deleteKey" });
    expect(schedule.state.primary).toBe(1);
  });
});

describe("failures of the kernel", () => {
  it("an install without effect changes nothing, and the same id is tried again", async () => {
    const { target, schedule } = setUp();
    await schedule.install(someKey());
    target.failNext = "none";
    await failureOf(schedule.install(someKey()));
    expect(schedule.state).toEqual({ primary: 0, secondary: undefined, nextId: 1, inStep: true });
    expect(await schedule.install(someKey())).toEqual({ id: 1, slot: "secondary" });
  });

  it("an install with an unknown effect uses the id up, and the slot holds no key of the session", async () => {
    const { target, schedule } = setUp();
    target.failNext = "unknown, but done";
    await failureOf(schedule.install(someKey()));
    expect(schedule.state).toEqual({ primary: undefined, secondary: undefined, nextId: 1, inStep: true });
    expect(await schedule.install(someKey())).toEqual({ id: 1, slot: "primary" });
    target.failNext = "unknown, but done";
    await failureOf(schedule.install(someKey()));
    expect(schedule.state).toMatchObject({ primary: 1, secondary: undefined, nextId: 3 });
    await schedule.update({ encrypt: 1, valid: [1] });
    expect(slotsOf(target)).toEqual({ primary: 1, secondary: undefined });
  });

  it("a swap with an unknown effect puts it out of step until all keys are deleted", async () => {
    const { target, schedule } = setUp();
    await schedule.install(someKey());
    await schedule.install(someKey());
    target.failNext = "unknown, but done";
    expect(await failureOf(schedule.activate(1))).toMatchObject({ code: "system" });
    expect(schedule.state.inStep).toBe(false);
    const calls = [
      schedule.install(someKey()),
      schedule.activate(0),
      schedule.retire(1),
      schedule.update({ encrypt: 1, valid: [1] }),
    ];
    for (const call of calls) expect(await failureOf(call)).toMatchObject({ code: "protocol" });
    await schedule.deleteAll();
    expect(schedule.state).toEqual({ primary: undefined, secondary: undefined, nextId: 2, inStep: true });
    expect(slotsOf(target)).toEqual({ primary: undefined, secondary: undefined });
  });

  it("a delete with an unknown effect ends the key, and is made again", async () => {
    const { target, schedule } = setUp();
    await schedule.install(someKey());
    await schedule.install(someKey());
    await schedule.activate(1);
    target.failNext = "none";
    await failureOf(schedule.retire(0));
    expect(schedule.state).toMatchObject({ primary: 1, secondary: 0, inStep: true });
    target.failNext = "unknown";
    await failureOf(schedule.retire(0));
    expect(schedule.state).toMatchObject({ primary: 1, secondary: undefined, inStep: true });
    expect(slotsOf(target)).toEqual({ primary: 1, secondary: 0 });
    await schedule.retire(0);
    expect(slotsOf(target)).toEqual({ primary: 1, secondary: undefined });
  });

  it("a delete of the primary key with an unknown effect puts it out of step until it is made again", async () => {
    const { target, schedule } = setUp();
    await schedule.install(someKey());
    target.failNext = "unknown, but done";
    await failureOf(schedule.update({ encrypt: undefined, valid: [] }));
    expect(schedule.state).toMatchObject({ primary: undefined, inStep: false });
    expect(await failureOf(schedule.install(someKey()))).toMatchObject({ code: "protocol" });
    await schedule.deleteAll();
    expect(await schedule.install(someKey())).toEqual({ id: 1, slot: "primary" });
  });

  it("a failure in the middle of an update leaves what was done", async () => {
    const { target, schedule } = setUp();
    await schedule.install(someKey());
    await schedule.install(someKey());
    const original = target.deleteKey.bind(target);
    target.deleteKey = (peer, slot, call) => {
      target.failNext = "unknown";
      return original(peer, slot, call);
    };
    await failureOf(schedule.update({ encrypt: 1, valid: [1] }));
    expect(schedule.state).toMatchObject({ primary: 1, secondary: undefined, inStep: true });
    expect(slotsOf(target)).toEqual({ primary: 1, secondary: 0 });
    target.deleteKey = original;
    await schedule.update({ encrypt: 1, valid: [1] });
    expect(slotsOf(target)).toEqual({ primary: 1, secondary: undefined });
  });

  it("the key that encrypts cannot be retired; one that is not there can", async () => {
    const { target, schedule } = setUp();
    await schedule.install(someKey());
    expect(await failureOf(schedule.retire(0))).toMatchObject({ code: "invalid", field: "id" });
    await schedule.retire(4);
    expect(target.commands).toEqual(["new primary 0"]);
  });

  it("a key to be wiped is wiped here if the target never got it, and else there", async () => {
    const { target, schedule } = setUp();
    const bytesOf = ({ encrypt, decrypt }: ReturnType<typeof someKey>) =>
      [encrypt.key, encrypt.nonceTail, decrypt.key, decrypt.nonceTail].flatMap((part) => [...part]);
    const refused = { ...someKey(), id: 99, wipe: true };
    await failureOf(schedule.install(refused));
    expect(Math.max(...bytesOf(refused))).toBe(0);
    const kept = { ...someKey(), id: 99 };
    await failureOf(schedule.install(kept));
    expect(Math.min(...bytesOf(kept))).toBeGreaterThan(0);
    // The target of this test wipes nothing.
    const handedOver = { ...someKey(), wipe: true };
    target.failNext = "unknown";
    await failureOf(schedule.install(handedOver));
    expect(Math.min(...bytesOf(handedOver))).toBeGreaterThan(0);
    await failureOf(schedule.install({ id: 99, wipe: true } as never));
  });

  it("a key that is none is refused", async () => {
    const { schedule } = setUp();
    expect(await failureOf(schedule.install(undefined as never))).toMatchObject({
      code: "invalid",
      field: "key",
    });
  });
});

describe("advice", () => {
  it("there is none without a key", () => {
    const { schedule, time } = setUp();
    time.now = 1e9;
    expect(schedule.advise(stats())).toEqual({ rekey: false, reason: undefined, keyId: undefined });
  });

  it("a key lasts an hour", async () => {
    const { schedule, time } = setUp();
    time.now = 5_000;
    await schedule.install(someKey());
    time.now = 5_000 + 3_600_000 - 1;
    expect(schedule.advise(stats())).toEqual({ rekey: false, reason: undefined, keyId: 0 });
    expect(schedule.advise(stats(), 5_000 + 3_600_000)).toEqual({ rekey: true, reason: "time", keyId: 0 });
  });

  it("a key lasts for half of the packet ids, in either direction", async () => {
    const { schedule } = setUp();
    await schedule.install(someKey("chacha20-poly1305"));
    const half = 2n ** 31n;
    expect(schedule.advise(stats({ txPackets: half - 1n, rxPackets: half - 1n })).rekey).toBe(false);
    expect(schedule.advise(stats({ txPackets: half }))).toMatchObject({ rekey: true, reason: "packets" });
    expect(schedule.advise(stats({ rxPackets: half }))).toMatchObject({ rekey: true, reason: "packets" });
  });

  it("an AES-GCM key lasts for 7/8 of 2^36 blocks and packets", async () => {
    const { schedule } = setUp();
    await schedule.install(someKey());
    const limit = ((2n ** 36n - 1n) / 8n) * 7n;
    const packets = 1000n;
    const most = (limit - 2n * packets) * 16n;
    const traffic = { txBytes: most - 1n, txPackets: packets };
    expect(schedule.advise(stats(traffic)).rekey).toBe(false);
    expect(schedule.advise(stats({ ...traffic, txBytes: most }))).toMatchObject({
      rekey: true,
      reason: "bytes",
    });
    expect(schedule.advise(stats({ rxBytes: most, rxPackets: packets }))).toMatchObject({ reason: "bytes" });
  });

  it("a ChaCha20-Poly1305 key has no such limit", async () => {
    const { schedule } = setUp();
    await schedule.install(someKey("chacha20-poly1305"));
    expect(schedule.advise(stats({ txBytes: 2n ** 45n, txPackets: 2n ** 30n })).rekey).toBe(false);
  });

  it("limits can be set lower, and those of time and bytes taken away", async () => {
    const short = setUp({ limits: { seconds: 60, bytes: 1000, packets: 10 } });
    await short.schedule.install(someKey());
    expect(short.schedule.advise(stats(), 60_000)).toMatchObject({ reason: "time" });
    expect(short.schedule.advise(stats({ rxBytes: 500n, txBytes: 500n }))).toMatchObject({ reason: "bytes" });
    expect(short.schedule.advise(stats({ rxBytes: 500n, txBytes: 499n })).rekey).toBe(false);
    expect(short.schedule.advise(stats({ txPackets: 10n }))).toMatchObject({ reason: "packets" });
    const long = setUp({ limits: { seconds: 0 } });
    await long.schedule.install(someKey());
    expect(long.schedule.advise(stats(), 1e12).rekey).toBe(false);
  });

  it("limits that are none are refused", () => {
    const make = (limits: object) => () => setUp({ limits });
    expectInvalid(make({ packets: 2 ** 31 + 1 }), "limits.packets", /from 1 to 2147483648/);
    expectInvalid(make({ packets: 0 }), "limits.packets", /from 1/);
    expectInvalid(make({ seconds: -1 }), "limits.seconds", /from 0/);
    expectInvalid(make({ bytes: 0.5 }), "limits.bytes", /integer/);
  });

  it("what was counted before a key was installed is not the key's", async () => {
    const { schedule } = setUp({ limits: { packets: 100 } });
    await schedule.install(someKey());
    expect(schedule.advise(stats({ txPackets: 100n })).rekey).toBe(true);
    const { id } = await schedule.install(someKey());
    await schedule.activate(id);
    expect(schedule.advise(stats({ txPackets: 199n })).rekey).toBe(false);
    expect(schedule.advise(stats({ txPackets: 200n }))).toEqual({ rekey: true, reason: "packets", keyId: 1 });
  });

  it("counters that start again, with another peer or by themselves, count from zero", async () => {
    const { schedule } = setUp({ limits: { packets: 100 } });
    schedule.advise(stats({ txPackets: 90n }));
    await schedule.install(someKey());
    expect(schedule.advise(stats({ txPackets: 99n }, 2)).rekey).toBe(false);
    expect(schedule.advise(stats({ txPackets: 100n }, 2)).rekey).toBe(true);
    const other = setUp({ limits: { packets: 100 } });
    other.schedule.advise(stats({ txPackets: 90n }));
    await other.schedule.install(someKey());
    expect(other.schedule.advise(stats({ txPackets: 89n })).rekey).toBe(false);
  });

  it("there is none while a newer key waits, and again when it was given up", async () => {
    const { schedule, time } = setUp();
    await schedule.install(someKey());
    await schedule.install(someKey());
    time.now = 3_600_000;
    expect(schedule.advise(stats()).rekey).toBe(false);
    await schedule.retire(1);
    expect(schedule.advise(stats()).rekey).toBe(true);
  });

  it("an old key in the secondary slot is no reason to wait", async () => {
    const { schedule, time } = setUp();
    await schedule.install(someKey());
    await schedule.install(someKey());
    await schedule.activate(1);
    time.now = 3_600_000;
    expect(schedule.advise(stats())).toEqual({ rekey: true, reason: "time", keyId: 1 });
  });

  it("packets that a kernel does not count are as many as its bytes allow", async () => {
    const uncounted = { rxPackets: undefined, txPackets: undefined };
    const { schedule } = setUp({ limits: { packets: 100 } });
    await schedule.install(someKey());
    expect(schedule.advise(stats({ ...uncounted, txBytes: 3999n })).rekey).toBe(false);
    expect(schedule.advise(stats({ ...uncounted, txBytes: 4000n }))).toMatchObject({ reason: "packets" });
    const tunnel = { ...NO_TRAFFIC, ...uncounted, txBytes: 2000n };
    expect(schedule.advise({ id: 7, generation: 1, link: undefined, tunnel })).toMatchObject({
      reason: "packets",
    });
    expect(schedule.advise({ id: 7, generation: 1, link: undefined, tunnel: undefined }).rekey).toBe(false);
  });

  it("is about this peer", () => {
    const { schedule } = setUp();
    expectInvalid(() => schedule.advise({ ...stats(), id: 8 }), "stats.id", /8 is not peer 7/);
  });
});

describe("a key that the kernel has destroyed", () => {
  it("is replaced in the primary slot", async () => {
    const { target, schedule } = setUp();
    await schedule.install(someKey());
    target.destroy(0);
    schedule.exhausted(0);
    expect(schedule.advise(stats())).toEqual({ rekey: true, reason: "exhausted", keyId: undefined });
    expect(await schedule.install(someKey())).toEqual({ id: 1, slot: "primary" });
    expect(schedule.advise(stats()).rekey).toBe(false);
  });

  it("is replaced although an old key is in the secondary slot", async () => {
    const { target, schedule } = setUp();
    await schedule.install(someKey());
    await schedule.install(someKey());
    await schedule.activate(1);
    target.destroy(1);
    schedule.exhausted(1);
    expect(schedule.advise(stats())).toMatchObject({ rekey: true, reason: "exhausted" });
    expect(await schedule.install(someKey())).toEqual({ id: 2, slot: "primary" });
    await schedule.update({ encrypt: 2, valid: [2, 0] });
    expect(slotsOf(target)).toEqual({ primary: 2, secondary: 0 });
  });

  it("gives way to a newer one that waits", async () => {
    const { target, schedule } = setUp();
    await schedule.install(someKey());
    await schedule.install(someKey());
    target.destroy(0);
    schedule.exhausted(0);
    expect(schedule.advise(stats()).rekey).toBe(false);
    await schedule.activate(1);
    expect(schedule.state).toMatchObject({ primary: 1, secondary: undefined });
    expect(slotsOf(target)).toEqual({ primary: 1, secondary: undefined });
    expect(schedule.advise(stats()).rekey).toBe(false);
  });

  it("is no reason for advice once all keys are deleted", async () => {
    const { target, schedule } = setUp();
    await schedule.install(someKey());
    target.destroy(0);
    schedule.exhausted(0);
    await schedule.deleteAll();
    expect(schedule.advise(stats())).toEqual({ rekey: false, reason: undefined, keyId: undefined });
  });

  it("may be none of the schedule's", async () => {
    const { schedule } = setUp();
    await schedule.install(someKey());
    schedule.exhausted(6);
    expect(schedule.state.primary).toBe(0);
  });
});
