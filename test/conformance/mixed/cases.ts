/**
 * What only two different ends can show.
 */
import assert from "node:assert/strict";
import { type Case, group } from "../case.ts";
import { eventually, pause } from "../expect.ts";
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
]);
