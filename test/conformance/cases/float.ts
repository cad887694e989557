/**
 * Peers whose address changes.
 */
import assert from "node:assert/strict";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import { group } from "../case.ts";
import { MOVES } from "../needs.ts";
import { controlPacket, dataPacket, expectPacket } from "../packets.ts";
import { Recorder } from "../recorder.ts";
import { assertReaches, connect, openEnd, openTunnel, reachable } from "../tunnel.ts";
import type { Sites, World } from "../world.ts";

/** Sites that move, over a version of IP: both ends are the driver's. */
function moves(family: 4 | 6) {
  return {
    needs: (capabilities: Capabilities, sites: Sites) => {
      const missing = MOVES.needs(capabilities, sites);
      if (missing !== undefined || capabilities.hostMoves.includes(family)) return missing;
      return `a host that moves keeps its IPv${family} address as the source`;
    },
  };
}

/** A tunnel whose ends are bound to no address, so that theirs can change. */
export async function floatingTunnel(world: World, family: 4 | 6, dualStack = false) {
  const { server, client } = await openFloating(world, family, dualStack);
  await connect(server, client, { family });
  await assertReaches(world, client, server.vpn.ipv4);
  return { server, client };
}

/** Its ends, which have no peers yet. */
async function openFloating(world: World, family: 4 | 6, dualStack = false) {
  const any = family === 6 ? "::" : "0.0.0.0";
  const server = await openEnd(world, world.server, {
    mode: "multipeer",
    host: 1,
    family,
    transport: { local: { address: dualStack ? "::" : any, port: 1194 } },
  });
  const client = await openEnd(world, world.clients[0], {
    mode: "p2p",
    host: 2,
    family,
    transport: { local: { address: any, port: 0 } },
  });
  return { server, client };
}

export const floatCases = group("float", [
  ...([4, 6] as const).map((family) => ({
    ...moves(family),
    name: `a client that moves is followed over IPv${family}: traffic, event, remote, and control packets to the peer`,
    async run(world: World) {
      const { server, client } = await floatingTunnel(world, family);
      const before = reachable(client.site, client.transport, family);
      const moved = await world.moveAddress(client.site);
      await assertReaches(world, client, server.vpn.ipv4);
      const event = await server.events.next("peer-floated");
      const now = { address: family === 6 ? moved.ipv6 : moved.ipv4, port: before.port };
      assert.deepEqual([event.peer, event.remote], [1, now]);
      assert.equal(event.generation, (await server.dco.peer(1)).generation);
      assert.deepEqual((await server.dco.peer(1)).remote, now);
      await assertReaches(world, server, client.vpn.ipv6);
      const packet = controlPacket();
      await server.transport.send(packet, { peer: 1 });
      await expectPacket(client.transport, packet);
      assert.deepEqual(client.events.of("peer-floated"), [], "the server did not move");
    },
  })),
  {
    name: "an observer who asked for one peer, and for no list, is told when it moves",
    needs: (capabilities, sites) =>
      moves(4).needs(capabilities, sites) ??
      (capabilities.observe ? undefined : "the driver has no observers") ??
      (capabilities.floatEvent === "none" ? "no floats" : undefined),
    async run(world) {
      const { server, client } = await openFloating(world, 4);
      const driver = await world.openDriver();
      const options = { role: "observer", ...world.server.extras } as const;
      const observer = await driver.adoptInterface(server.dco.name, options);
      const events = new Recorder(observer);
      await connect(server, client, { family: 4 });
      const { generation, remote } = await observer.peer(1);
      const moved = await world.moveAddress(client.site);
      await assertReaches(world, client, server.vpn.ipv4);
      const event = await events.next("peer-floated");
      const now = { address: moved.ipv4, port: remote?.port };
      assert.deepEqual([event.peer, event.generation, event.remote], [1, generation, now]);
    },
  },
  {
    name: "an IPv4 client of a dual-stack transport is told with its IPv4 address when it moves",
    needs: (capabilities, sites) =>
      MOVES.needs(capabilities, sites) ?? (capabilities.dualStack ? undefined : "no dual-stack transports"),
    async run(world) {
      const { server, client } = await floatingTunnel(world, 4, true);
      const moved = await world.moveAddress(client.site);
      await assertReaches(world, client, server.vpn.ipv4);
      const { remote } = await server.events.next("peer-floated");
      assert.deepEqual(remote, { address: moved.ipv4, port: client.transport.local?.port });
      const packet = controlPacket();
      await server.transport.send(packet, { peer: 1 });
      await expectPacket(client.transport, packet);
    },
  },
  ...([4, 6] as const).map((family) => ({
    ...moves(family),
    name: `a server that moves is followed by its client over IPv${family}, with its control packets`,
    async run(world: World) {
      const { server, client } = await floatingTunnel(world, family);
      const moved = await world.moveAddress(server.site);
      await assertReaches(world, server, client.vpn.ipv4);
      const event = await client.events.next("peer-floated");
      assert.deepEqual(event.remote, { address: family === 6 ? moved.ipv6 : moved.ipv4, port: 1194 });
      const packet = controlPacket();
      await client.transport.send(packet, { peer: 1 });
      await expectPacket(server.transport, packet);
      assert.deepEqual(server.events.of("peer-floated"), [], "the client did not move");
    },
  })),
  {
    ...MOVES,
    name: "a client that moves again and again gives an event for each move",
    async run(world) {
      const { server, client } = await floatingTunnel(world, 4);
      for (let turn = 0; turn < 3; turn++) {
        const moved = await world.moveAddress(client.site);
        await assertReaches(world, client, server.vpn.ipv4);
        const event = await server.events.next("peer-floated");
        assert.equal(event.remote.address, moved.ipv4);
      }
      assert.equal(server.events.of("peer-floated").length, 3);
    },
  },
  {
    name: "a stranger does not move a peer with packets that he cannot authenticate",
    needs: ({ floatAuthenticated }) =>
      floatAuthenticated ? undefined : "addresses move without authentication",
    async run(world) {
      const { server, client } = await openTunnel(world);
      const before = (await server.dco.peer(1)).remote;
      const stranger = await world.openSocket(world.clients[1], 4);
      const to = { address: server.site.ipv4, port: 1194 };
      for (let turn = 0; turn < 3; turn++) stranger.send(dataPacket(1), to);
      const barrier = controlPacket();
      stranger.send(barrier, to);
      await expectPacket(server.transport, barrier);
      await assertReaches(world, server, client.vpn.ipv4);
      assert.deepEqual((await server.dco.peer(1)).remote, before);
      assert.deepEqual(server.events.of("peer-floated"), []);
    },
  },
]);
