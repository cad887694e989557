/**
 * Cases of what only the userspace backend has: streams of packets, counted drops, packet ids near their end.
 */
import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import type { DcoInterface } from "../../../src/core/contract.ts";
import { DcoError } from "../../../src/core/errors.ts";
import { openDriver } from "../../../src/index.ts";
import type { UserspaceExtras } from "../../../src/userspace/index.ts";
import { type Case, group } from "../case.ts";
import { checkError, eventually, inTime, rejects } from "../expect.ts";
import { freshKey, freshKeyPair } from "../keys.ts";
import { dataPacket } from "../packets.ts";
import { assertReaches, assertSilent, type End, installKeys, openEnd, openTunnel } from "../tunnel.ts";
import { encodeEcho } from "./icmp.ts";
import type { UserspaceWorld } from "./world.ts";

const extrasOf = (dco: DcoInterface) => dco.extras as UserspaceExtras;

/** Counts that are not 0. */
function dropsOf({ dco }: Pick<End, "dco">): Record<string, number> {
  return Object.fromEntries(Object.entries(extrasOf(dco).drops).filter(([, count]) => count > 0));
}

/** A packet from the client to the server. */
function packet(size = 100, from = "10.8.0.2", to = "10.8.0.1"): Buffer {
  const address = (text: string) => Buffer.from(text.split(".").map(Number));
  const [source, destination] = [address(from), address(to)];
  const payload = Buffer.alloc(size - 28, 0x5a);
  return encodeEcho({ kind: "reply", source, destination, id: 0xffff, sequence: 1, payload });
}

export const userspaceCases: Case[] = group("userspace", [
  {
    name: "a stream has no index and no addresses; MTU and up are its own, and told",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      assert.equal(dco.index, 0);
      await dco.configure({ mtu: 1300 });
      await dco.configure({ up: true });
      const [listed] = await world.driver.listInterfaces(world.server.extras);
      assert.deepEqual([listed?.mtu, listed?.up, listed?.linkUp, listed?.index], [1300, true, true, 0]);
      await dco.configure({ up: false });
      assert.equal((await world.driver.listInterfaces(world.server.extras))[0]?.linkUp, false);
    },
  },
  {
    name: "the link is told up and down with the interface, once each",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      await end.dco.configure({ mtu: 1300, up: true });
      for (const up of [false, true, false]) await end.dco.configure({ up });
      await end.dco.close();
      await end.events.done;
      assert.deepEqual(
        end.events.of("link").map(({ up }) => up),
        [true, false, true, false],
      );
    },
  },
  {
    name: "an interface that is down carries nothing and counts it; up again it has its peers, and they work",
    async run(world) {
      const { server, client } = await openTunnel(world);
      await client.dco.configure({ up: false });
      await assertSilent(world, client, server.vpn.ipv4);
      assert.deepEqual(dropsOf(client), { noPeer: 2 });
      await client.dco.configure({ up: true });
      await server.dco.configure({ up: false });
      await assertSilent(world, client, server.vpn.ipv4);
      assert.deepEqual(dropsOf(server), { notRead: 2 });
      assert.equal((await server.dco.stats())[0]?.tunnel?.rxPackets, 0n);
      await server.dco.configure({ up: true });
      await assertReaches(world, client, server.vpn.ipv4);
      assert.deepEqual(server.events.of("peer-deleted"), []);
    },
  },
  {
    name: "packets that are larger than the MTU, or no packets, are dropped and counted; other things are refused",
    async run(world) {
      const { client } = await openTunnel(world);
      await client.dco.configure({ mtu: 1000 });
      const { packets } = extrasOf(client.dco);
      for (const bad of [packet(1001), Buffer.alloc(0), Buffer.from("hello")]) packets.write(bad);
      packets.write(packet(1000));
      assert.deepEqual(dropsOf(client), { invalid: 3 });
      assert.equal((await client.dco.stats())[0]?.tunnel?.txPackets, 1n);
      for (const bad of ["text", 7, { length: 3 }, [1], new ArrayBuffer(4)]) {
        try {
          packets.write(bad);
          assert.fail("was taken");
        } catch (error) {
          checkError(error, "invalid", { field: "packet" });
        }
      }
      assert.equal(packets.destroyed, false);
    },
  },
  {
    name: "what nobody reads waits up to packetQueue, the rest is dropped and counted; the reader gets its share, then the end",
    async run(world) {
      const client = await openTunnel(world).then(({ client }) => client);
      const options = { mode: "p2p", packetQueue: 5, ...world.clients[1].extras } as const;
      const dco = await world.driver.createInterface(options);
      await dco.configure({ up: true });
      const local = `${world.clients[1].ipv4}:0`;
      const transport = await dco.openTransport({ protocol: "udp", local });
      await dco.addPeer({ id: 1, transport, remote: client.transport.local as never });
      await client.dco.addPeer({
        id: 1,
        transport: client.transport,
        remote: transport.local as never,
        replace: true,
      });
      const [one, other] = freshKeyPair();
      await dco.installKey(1, one);
      await client.dco.installKey(1, other);
      for (let sent = 0; sent < 12; sent++) extrasOf(client.dco).packets.write(packet(100 + sent));
      await eventually(
        "drops",
        () => dropsOf({ dco }),
        ({ notRead }) => notRead === 7,
      );
      assert.equal((await dco.stats())[0]?.tunnel?.rxPackets, 5n);
      await dco.close();
      const read: number[] = [];
      for await (const each of extrasOf(dco).packets as Duplex) read.push((each as Buffer).length);
      assert.deepEqual(read, [100, 101, 102, 103, 104]);
    },
  },
  {
    name: "a bad packetQueue is invalid",
    async run(world) {
      for (const packetQueue of [0, -1, 1.5, "5", 2 ** 31, null]) {
        const options = { mode: "p2p", packetQueue, ...world.server.extras } as never;
        await rejects(world.driver.createInterface(options), "invalid", { field: "packetQueue" });
      }
    },
  },
  {
    name: "a stream that its user destroys, and writes after the interface is closed, do no harm",
    async run(world) {
      const { server, client } = await openTunnel(world);
      extrasOf(server.dco).packets.destroy();
      await assertSilent(world, client, server.vpn.ipv4);
      assert.deepEqual(dropsOf(server), { notRead: 2 });
      await client.dco.close();
      extrasOf(client.dco).packets.write(packet());
      await rejects(client.dco.stats(), "closed");
    },
  },
  {
    name: "packets of strangers are counted by what is wrong with them",
    async run(world) {
      const { server, client } = await openTunnel(world);
      const stranger = await world.openSocket(world.clients[1], 4);
      const to = server.transport.local as { address: string; port: number };
      const wrongKey = dataPacket(1);
      wrongKey[0] = (9 << 3) | 7;
      for (const bad of [dataPacket(1), dataPacket(77), wrongKey, dataPacket(1).subarray(0, 20)])
        stranger.send(bad, to);
      for (const bad of [Buffer.of(72, 0), Buffer.alloc(30, 6 << 3)]) stranger.send(bad, to);
      const expected = { authentication: 1, unknownPeer: 1, noKey: 1, malformed: 3 };
      const total = () => Object.values(dropsOf(server)).reduce((sum, count) => sum + count, 0);
      await eventually("drops", total, (now) => now >= 6);
      assert.deepEqual(dropsOf(server), expected);
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    name: "when a key's packet ids are used up it is told, it is gone, and the next key carries on",
    async run(world) {
      const userspace = world as UserspaceWorld;
      const { server, client } = await openTunnel(userspace.withFirstPacketId(2 ** 32 - 4));
      await assertReaches(world, client, server.vpn.ipv4, { count: 3 });
      await installKeys(server, client, { slot: "secondary", keyId: 5 });
      // The fourth packet has the last id; there is none for the fifth.
      await assertReaches(world, client, server.vpn.ipv4, { count: 1 });
      await assertSilent(world, client, server.vpn.ipv4);
      await assertSilent(world, server, client.vpn.ipv4);
      for (const end of [server, client]) {
        const { peer, keyId } = await end.events.next("key-exhausted");
        assert.deepEqual([peer, keyId], [1, 0]);
        assert.deepEqual(
          (await end.dco.keys(1)).map(({ slot, id }) => [slot, id]),
          [["secondary", 5]],
        );
        await rejects(end.dco.installKey(1, freshKey(5, "primary")), "invalid", { field: "id" });
        await end.dco.swapKeys(1);
      }
      await assertReaches(world, client, server.vpn.ipv4, { count: 3 });
      assert.equal(server.events.of("key-exhausted").length, 1);
    },
  },
  {
    name: "openDriver chooses it by name, and auto chooses it only where that is allowed, and says why",
    async run() {
      const named = await openDriver({ backend: "userspace" });
      assert.equal(named.info.backend, "userspace");
      assert.match(named.info.reason, /by name/);
      await named.close();
      const allowed = await openDriver({ allowUserspace: true });
      if (allowed.info.backend === "userspace") {
        assert.match(allowed.info.reason, /^the kernel's module cannot be used: ./);
        const refused = await openDriver().catch((error: unknown) => error);
        // Without the right the driver can be opened, but not used.
        if (DcoError.is(refused)) assert.ok(["unavailable", "permission"].includes(refused.code));
        else await (refused as typeof allowed).close();
      }
      await allowed.close();
    },
  },
  {
    name: "an open interface without a transport, and a closed one, do not keep the process alive",
    async run(world) {
      const { server } = await openTunnel(world, { server: { keepalive: { interval: 100, timeout: 200 } } });
      const dco = await world.driver.createInterface({ mode: "p2p", ...world.clients[2].extras });
      await inTime(server.dco.close(), "close");
      const timers = process.getActiveResourcesInfo().filter((each) => each === "Timeout");
      // That of the case itself, and of its own deadline.
      assert.ok(timers.length <= 2, timers.join());
      await dco.close();
    },
  },
]);
