import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import type { DcoEvent } from "../../../src/core/model.ts";
import { DcoError } from "../../../src/index.ts";
import {
  FAILING_VERBS,
  type Fate,
  Faults,
  type OpenTestDriverOptions,
  openTestDriver,
  testKeys,
  VirtualClock,
} from "../../../src/testing/index.ts";
import type { UserspaceDriver } from "../../../src/userspace/index.ts";
import { inner } from "../userspace/support.ts";

const open: UserspaceDriver[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((driver) => driver.close()));
});

async function end(mode: "p2p" | "multipeer", options: OpenTestDriverOptions) {
  const driver = openTestDriver(options);
  open.push(driver);
  const dco = await driver.createInterface({ mode });
  const events: DcoEvent[] = [];
  void (async () => {
    for await (const event of dco.events()) events.push(event);
  })();
  await dco.configure({ up: true });
  const transport = await dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" });
  return { dco, transport, events };
}

/** A server and a client with a key; the options are the client's, but for the clock. */
async function tunnel(options: OpenTestDriverOptions = {}) {
  const server = await end("multipeer", options.clock ? { clock: options.clock } : {});
  const client = await end("p2p", options);
  const vpn = { ipv4: "10.8.0.2" };
  const remote = { server: client.transport.local as never, client: server.transport.local as never };
  await server.dco.addPeer({ id: 1, transport: server.transport, remote: remote.server, vpn });
  await client.dco.addPeer({ id: 1, transport: client.transport, remote: remote.client });
  const [forServer, forClient] = testKeys("tunnel");
  await server.dco.installKey(1, forServer);
  await client.dco.installKey(1, forClient);
  return { server, client };
}

type End = Awaited<ReturnType<typeof end>>;

/** Sends packets of these sizes; the sizes that arrive, once the last has. */
async function send(client: End, server: End, sizes: readonly number[]): Promise<number[]> {
  const got: number[] = [];
  const { packets } = server.dco.extras;
  const take = (packet: Buffer) => got.push(packet.length);
  packets.on("data", take);
  for (const size of sizes) client.dco.extras.packets.write(inner("10.8.0.2", "10.8.0.1", size));
  while (got.at(-1) !== sizes.at(-1)) await once(packets, "data");
  packets.off("data", take);
  return got;
}

describe("faults", () => {
  test("packets meet their fate", async () => {
    const faults = new Faults();
    const { server, client } = await tunnel({ faults });
    const fates: Fate[] = ["deliver", "drop", "duplicate", "corrupt", "delay", "deliver", "deliver"];
    faults.fate = () => fates.shift() ?? "deliver";
    expect(await send(client, server, [100, 101, 102, 103, 104, 105, 106])).toEqual([
      100, 102, 105, 104, 106,
    ]);
    expect(server.dco.extras.drops).toMatchObject({ replay: 1, authentication: 1 });
  });

  test("control packets meet it too", async () => {
    const faults = new Faults();
    const { server, client } = await tunnel({ faults });
    const fates: Fate[] = ["drop", "duplicate"];
    faults.fate = () => fates.shift() ?? "deliver";
    for (let n = 0; n < 3; n++) await client.transport.send(Uint8Array.of(32, 0, 0, n), { peer: 1 });
    const got: number[] = [];
    for await (const { data } of server.transport.packets()) if (got.push(data[3] as number) === 3) break;
    expect(got).toEqual([1, 1, 2]);
  });

  test.each(FAILING_VERBS)("%s fails as it was told to, once", async (verb) => {
    const faults = new Faults();
    const { client } = await tunnel({ faults });
    const { dco, transport } = client;
    const [key] = testKeys("another", { id: 1, slot: "secondary" });
    const calls = {
      configure: () => dco.configure({ mtu: 1300 }),
      openTransport: () => dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" }),
      addPeer: () => dco.addPeer({ id: 1, transport, remote: "127.0.0.1:9", replace: true }),
      setPeer: () => dco.setPeer(1, { txId: 3 }),
      removePeer: () => dco.removePeer(1),
      peer: () => dco.peer(1),
      peers: () => dco.peers(),
      stats: () => dco.stats(),
      installKey: () => dco.installKey(1, key),
      swapKeys: () => dco.installKey(1, key).then(() => dco.swapKeys(1)),
      deleteKey: () => dco.deleteKey(1, "primary"),
      keys: () => dco.keys(1),
    };
    faults.failNext(verb, new DcoError("system", "the test wants it", { effect: "none" }));
    await expect(calls[verb]()).rejects.toMatchObject({ code: "system", message: "the test wants it" });
    if (verb !== "swapKeys") await calls[verb]();
  });
});

describe("the virtual clock", () => {
  const keepalive = { interval: 3600, timeout: 7200 };

  test("lets keepalives of hours expire in no time, and not before", async () => {
    const clock = new VirtualClock();
    const { server, client } = await tunnel({ clock });
    await server.dco.setPeer(1, { keepalive });
    await clock.advance(7199);
    expect(server.events.filter(({ type }) => type === "peer-deleted")).toEqual([]);
    expect((await client.dco.stats())[0]?.link?.rxPackets).toBe(1n);
    await clock.advance(1);
    expect(server.events).toContainEqual(
      expect.objectContaining({ type: "peer-deleted", reason: "expired" }),
    );
  });

  test("lets pings keep a tunnel alive for a week", async () => {
    const clock = new VirtualClock();
    const { server, client } = await tunnel({ clock });
    for (const { dco } of [server, client]) await dco.setPeer(1, { keepalive });
    await clock.advance(7 * 24 * 3600);
    for (const { dco, events } of [server, client]) {
      expect(events.filter(({ type }) => type === "peer-deleted")).toEqual([]);
      expect((await dco.stats())[0]?.link?.txPackets).toBe(168n);
    }
  });

  test("goes forward only", async () => {
    await expect(new VirtualClock().advance(-1)).rejects.toThrow(RangeError);
    await expect(new VirtualClock().advance(Number.NaN)).rejects.toThrow(RangeError);
  });
});

test("packet ids close to the end", async () => {
  const { server, client } = await tunnel({ firstPacketId: 2 ** 32 - 2 });
  expect(await send(client, server, [100, 101])).toEqual([100, 101]);
  client.dco.extras.packets.write(inner("10.8.0.2", "10.8.0.1", 102));
  await new Promise((resolve) => setImmediate(resolve));
  expect(client.events).toContainEqual(expect.objectContaining({ type: "key-exhausted", keyId: 0 }));
  for (const firstPacketId of [0, -1, 2 ** 32, 1.5, "1"] as number[])
    expect(() => openTestDriver({ firstPacketId })).toThrow(/firstPacketId/);
});

test("keys are the same for the same seed, for both ends, and others for other seeds and ciphers", () => {
  const [one, other] = testKeys("a");
  expect(testKeys("a")).toEqual([one, other]);
  expect(other.encrypt).toEqual(one.decrypt);
  expect(one.encrypt.key).not.toEqual(one.decrypt.key);
  expect(testKeys("b")[0].encrypt).not.toEqual(one.encrypt);
  const [aes128] = testKeys("a", { cipher: "aes-128-gcm", id: 3, slot: "secondary" });
  expect([aes128.encrypt.key.length, aes128.id, aes128.slot]).toEqual([16, 3, "secondary"]);
  expect(Buffer.from(one.encrypt.key).subarray(0, 16)).not.toEqual(Buffer.from(aes128.encrypt.key));
});
