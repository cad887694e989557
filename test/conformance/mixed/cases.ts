/**
 * What only two different ends can show.
 */
import assert from "node:assert/strict";
import type { Endpoint } from "../../../src/core/model.ts";
import { type Case, group } from "../case.ts";
import { floatingTunnel } from "../cases/float.ts";
import { capture, interceptedTunnel } from "../cases/protection.ts";
import { eventually, pause } from "../expect.ts";
import { MOVES } from "../needs.ts";
import { assertReaches, type End, installKeys, openTunnel } from "../tunnel.ts";
import type { MixedWorld } from "./world.ts";

/** Packets that a key has left. */
const LEFT = 4;

export const mixedCases: Case[] = group("both", [
  {
    overTcp: true,
    name: "pings of either end keep the other; when nothing comes any more both give the other up, each once",
    async run(world) {
      const keepalive = { interval: 1, timeout: 3 };
      const { server, client } = await openTunnel(world, { server: { keepalive }, client: { keepalive } });
      await pause(5 * world.second);
      for (const end of [server, client]) assert.deepEqual(end.events.of("peer-deleted"), []);
      // Without a key nothing is sent.
      for (const end of [server, client]) await end.dco.deleteKey(1, "primary");
      const reasons: string[] = [];
      for (const end of [server, client]) reasons.push((await end.events.next("peer-deleted")).reason);
      // The connection ends with the peer that expires first, where it does.
      if (world.protocol === "udp") assert.deepEqual(reasons, ["expired", "expired"]);
      else assert.ok(reasons.includes("expired"), reasons.join());
      for (const end of [server, client]) {
        await end.dco.close();
        await end.events.done;
        assert.equal(end.events.of("peer-deleted").length, 1);
      }
    },
  },
  {
    overTcp: true,
    name: "a kernel takes the last packet ids of a key, then the key is used up at the other end, and the next carries on",
    async run(world) {
      const mixed = await (world as MixedWorld).withFirstPacketId(2 ** 32 - LEFT);
      const { server, client } = await openTunnel(mixed);
      const [userspace, kernel] = (mixed.isUserspace(server.site) ? [server, client] : [client, server]) as [
        End,
        End,
      ];
      await assertReaches(mixed, userspace, kernel.vpn.ipv4, { count: LEFT });
      const received = async () => (await kernel.dco.stats())[0]?.tunnel?.rxPackets;
      assert.equal(await received(), BigInt(LEFT));
      await mixed.ping(userspace.site, kernel.vpn.ipv4, { count: 2, wait: 0.5 });
      const { keyId } = await userspace.events.next("key-exhausted");
      assert.equal(keyId, 0);
      assert.equal(await received(), BigInt(LEFT));
      await installKeys(server, client, { keyId: 1 });
      await assertReaches(mixed, userspace, kernel.vpn.ipv4, { count: 2 });
      await eventually("packets at the kernel", received, (now) => now === BigInt(LEFT + 2));
    },
  },
  {
    overTcp: true,
    name: "both ends count the same: what one has sent the other has received, in packets and bytes, pings included",
    needs: ({ linkStats, disarmKeepalive }) =>
      linkStats && disarmKeepalive ? undefined : "one end does not count packets of the transport",
    async run(world) {
      const keepalive = { interval: 1, timeout: 60 };
      const { server, client } = await openTunnel(world, { server: { keepalive }, client: { keepalive } });
      await assertReaches(world, client, server.vpn.ipv4, { size: 1000, count: 5 });
      const statsOf = async ({ dco }: End) => (await dco.stats())[0];
      await eventually(
        "pings of both",
        async () => [await statsOf(server), await statsOf(client)],
        (both) => both.every((each) => (each?.link?.rxPackets ?? 0n) >= 7n),
      );
      for (const end of [server, client]) await end.dco.setPeer(1, { keepalive: "off" });
      await eventually(
        "both ends' counters",
        async () => [await statsOf(server), await statsOf(client)],
        ([one, other]) =>
          one?.link?.rxPackets === other?.link?.txPackets &&
          one?.link?.txPackets === other?.link?.rxPackets &&
          one?.link?.rxBytes === other?.link?.txBytes &&
          one?.link?.txBytes === other?.link?.rxBytes &&
          one?.tunnel?.rxBytes === other?.tunnel?.txBytes &&
          one?.tunnel?.txBytes === other?.tunnel?.rxBytes,
      );
    },
  },
  {
    name: "what is sent again, and what was changed, is dropped by either end and counted as dropped",
    needs: ({ replayProtection }) =>
      replayProtection === "disabled" ? "replays are not dropped" : undefined,
    async run(world) {
      const { server, client, between } = await interceptedTunnel(world);
      const to = server.transport.local as Endpoint;
      const packet = await capture(world, client, server, between);
      const dropped = () => (world as MixedWorld).dropped(server.site, server.dco);
      const received = async () => (await server.dco.stats())[0]?.tunnel?.rxPackets;
      const before = await dropped();
      for (const at of [4, 8, packet.length - 1]) {
        const forged = Uint8Array.from(packet);
        forged[at] = (forged[at] as number) ^ 1;
        between.send(forged, to);
      }
      await eventually("packets that were dropped", dropped, (now) => now === before + 3);
      assert.equal(await received(), 0n);
      for (let times = 0; times < 3; times++) between.send(packet, to);
      await eventually("replays that were dropped", dropped, (now) => now === before + 5);
      assert.equal(await received(), 1n, "the true one goes through, once");
    },
  },
  {
    name: "an end that falls silent expires at the other, with its last counters where those are told",
    async run(world) {
      const { server, client } = await openTunnel(world);
      await assertReaches(world, client, server.vpn.ipv4, { count: 2 });
      await client.dco.close();
      await server.dco.setPeer(1, { keepalive: { interval: 1, timeout: 2 } });
      const { reason, finalStats } = await server.events.next("peer-deleted");
      assert.equal(reason, "expired");
      if (!server.dco.capabilities.finalStats) return;
      assert.ok((finalStats?.tunnel?.rxPackets ?? 0n) >= 2n);
    },
  },
  {
    ...MOVES,
    name: "the userspace end moves over IPv6, and the kernel follows it and tells where it is",
    async run(world) {
      const { server, client } = await floatingTunnel(world, 6);
      const atServer = (world as MixedWorld).isUserspace(server.site);
      const [mover, kernel] = atServer ? [server, client] : [client, server];
      const moved = await world.moveAddress(mover.site);
      await assertReaches(world, mover, kernel.vpn.ipv4);
      const { remote } = await kernel.events.next("peer-floated");
      assert.deepEqual(remote, { address: moved.ipv6, port: mover.transport.local?.port });
      await assertReaches(world, kernel, mover.vpn.ipv6);
    },
  },
  {
    name: "either end begins the rotation: the other decrypts with the next key before it uses it itself",
    overTcp: true,
    async run(world) {
      const { server, client } = await openTunnel(world);
      for (const [turn, [first, second]] of [
        [server, client],
        [client, server],
      ].entries() as Iterable<[number, [End, End]]>) {
        await installKeys(server, client, { keyId: turn + 1, slot: "secondary" });
        await first.dco.swapKeys(1);
        await assertReaches(world, server, client.vpn.ipv4);
        await assertReaches(world, client, server.vpn.ipv6);
        await second.dco.swapKeys(1);
        for (const end of [first, second]) await end.dco.deleteKey(1, "secondary");
        await assertReaches(world, server, client.vpn.ipv6);
        await assertReaches(world, client, server.vpn.ipv4);
      }
    },
  },
]);
