/**
 * Statistics.
 */
import assert from "node:assert/strict";
import type { PeerStats } from "../../../src/core/model.ts";
import { group } from "../case.ts";
import { eventually } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { controlPacket, expectPacket } from "../packets.ts";
import { assertReaches, connect, type End, openTunnel } from "../tunnel.ts";

/** IPv4 and ICMP headers of a ping. */
const PING_HEADERS = 28n;
/** What DATA_V2 adds: opcode with peer id 4, packet id 4, tag 16. */
const DATA_V2_BYTES = 24n;

async function statsOf(end: End, id = 1): Promise<PeerStats> {
  const found = (await end.dco.stats()).find((stats) => stats.id === id);
  assert.ok(found, `peer ${id} has statistics`);
  return found;
}

export const statsCases = group("statistics", [
  {
    name: "of the tunnel move by exactly the packets and bytes that went through, at both ends",
    overTcp: true,
    async run(world) {
      const { server, client } = await openTunnel(world);
      for (const [count, size] of [
        [5n, 100n],
        [3n, 1000n],
      ] as const) {
        const before = [await statsOf(server), await statsOf(client)] as const;
        await assertReaches(world, client, server.vpn.ipv4, { count: Number(count), size: Number(size) });
        const after = [await statsOf(server), await statsOf(client)] as const;
        const bytes = count * (size + PING_HEADERS);
        for (const at of [0, 1] as const) {
          const [was, is] = [before[at].tunnel, after[at].tunnel];
          assert.ok(was && is);
          assert.equal(is.rxBytes - was.rxBytes, bytes);
          assert.equal(is.txBytes - was.txBytes, bytes);
          if (!world.capabilities.packetStats) continue;
          assert.equal((is.rxPackets ?? 0n) - (was.rxPackets ?? 0n), count);
          assert.equal((is.txPackets ?? 0n) - (was.txPackets ?? 0n), count);
        }
      }
    },
  },
  {
    name: "of the link count OpenVPN packets: the tunnel's with what encapsulation adds, without control packets",
    overTcp: true,
    needs: ({ linkStats }) => (linkStats ? undefined : "the driver has no statistics of the link"),
    async run(world) {
      const { server, client } = await openTunnel(world);
      await assertReaches(world, client, server.vpn.ipv4, { count: 4, size: 200 });
      const packet = controlPacket();
      await client.transport.send(packet, { peer: 1 });
      await expectPacket(server.transport, packet);
      for (const end of [server, client]) {
        const { link, tunnel } = await statsOf(end);
        assert.ok(link && tunnel);
        assert.equal(link.rxBytes, 4n * (200n + PING_HEADERS + DATA_V2_BYTES));
        assert.equal(link.txBytes, link.rxBytes);
        assert.deepEqual([link.rxPackets, link.txPackets], [tunnel.rxPackets, tunnel.txPackets]);
      }
    },
  },
  {
    name: "start at zero, are bigint, and belong to the peer's generation",
    async run(world) {
      const { server, client } = await openTunnel(world);
      await assertReaches(world, client, server.vpn.ipv4);
      const first = await statsOf(server);
      assert.equal(typeof first.tunnel?.rxBytes, "bigint");
      assert.equal(first.generation, (await server.dco.peer(1)).generation);
      await server.dco.removePeer(1);
      assert.deepEqual(await server.dco.stats(), []);
      const refs = await connect(server, client, { keys: false, client: { replace: true } });
      const second = await statsOf(server);
      assert.equal(second.generation, refs.server.generation);
      const zero = { rxBytes: 0n, txBytes: 0n, rxPackets: 0n, txPackets: 0n };
      const expected = world.capabilities.packetStats
        ? zero
        : { ...zero, rxPackets: undefined, txPackets: undefined };
      assert.deepEqual(second.tunnel, expected);
    },
  },
  {
    name: "tell the peers of a server apart",
    overTcp: true,
    async run(world) {
      const { server, clients } = await openTunnel(world, { clients: 3 });
      for (const [at, client] of clients.entries()) {
        await assertReaches(world, client, server.vpn.ipv4, { count: at + 1, size: 72 });
      }
      const stats = (await server.dco.stats()).sort((a, b) => a.id - b.id);
      assert.deepEqual(
        stats.map(({ id, tunnel }) => [id, tunnel?.rxBytes]),
        [
          [1, 100n],
          [2, 200n],
          [3, 300n],
        ],
      );
    },
  },
  {
    name: "count what could not be decrypted in the link only",
    needs: ({ linkStats }) => (linkStats ? undefined : "the driver has no statistics of the link"),
    async run(world) {
      const { server, client } = await openTunnel(world);
      await client.dco.installKey(1, freshKey(0));
      await world.ping(client.site, server.vpn.ipv4, { count: 3, wait: 1 });
      const { link, tunnel } = await eventually(
        "link",
        () => statsOf(server),
        (now) => now.link?.rxPackets === 3n,
      );
      assert.equal(tunnel?.rxBytes, 0n);
      assert.equal(link?.txBytes, 0n);
    },
  },
]);
