/**
 * Control packets: `send` and `packets()`.
 */
import assert from "node:assert/strict";
import { group } from "../case.ts";
import { eventually, inTime, rejects } from "../expect.ts";
import {
  CONTROL_OPCODES,
  controlPacket,
  dataPacket,
  expectPacket,
  readPackets,
  readRest,
} from "../packets.ts";
import { type Family, openEnd, openTunnel, reachable } from "../tunnel.ts";
import type { World } from "../world.ts";

/** Two ends without peers. */
async function twoEnds(world: World, options: { family?: Family; queueLimit?: number } = {}) {
  const { family = 4, queueLimit } = options;
  const transport = queueLimit === undefined ? {} : { queueLimit };
  const server = await openEnd(world, world.server, { mode: "multipeer", host: 1, family, transport });
  const to = reachable(server.site, server.transport, family);
  const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2, family, remote: to });
  return { server, client, to };
}

export const controlCases = group("control packets", [
  ...([4, 6] as const).map((family) => ({
    name: `go both ways before there is a peer, with the sender, over IPv${family}`,
    async run(world: World) {
      const { server, client, to } = await twoEnds(world, { family });
      const first = controlPacket();
      await client.transport.send(first, { to });
      const { from } = await expectPacket(server.transport, first);
      if (client.dco.capabilities.localAddressKnown) assert.deepEqual(from, client.transport.local);
      const answer = controlPacket();
      await server.transport.send(answer, { to: from });
      assert.deepEqual((await expectPacket(client.transport, answer)).from, to);
    },
  })),
  {
    name: "go to a peer, to an address, or to the transport's remote",
    async run(world) {
      const { server, client } = await openTunnel(world);
      const one = controlPacket();
      await server.transport.send(one, { peer: 1 });
      await expectPacket(client.transport, one);
      const two = controlPacket();
      await client.transport.send(two, { to: reachable(server.site, server.transport) });
      await expectPacket(server.transport, two);
      const remote = reachable(server.site, server.transport);
      const other = await world.createInterface(client.site, { mode: "p2p" });
      const third = await other.openTransport({ protocol: "udp", remote });
      const three = controlPacket();
      await third.send(three);
      assert.equal((await expectPacket(server.transport, three)).from.port, third.local?.port);
    },
  },
  {
    name: "to nowhere are invalid, to an unknown peer not-found, and after close closed",
    async run(world) {
      const { server, client } = await openTunnel(world);
      await rejects(server.transport.send(controlPacket()), "invalid", { field: "to" });
      await rejects(server.transport.send(controlPacket(), { peer: 99 }), "not-found");
      await server.dco.removePeer(1);
      await rejects(server.transport.send(controlPacket(), { peer: 1 }), "not-found");
      await client.transport.close();
      await rejects(client.transport.send(controlPacket()), "closed");
    },
  },
  {
    name: "of every control opcode arrive, with a peer and without, from peers and strangers",
    async run(world) {
      const { server, client } = await openTunnel(world);
      const to = reachable(server.site, server.transport);
      const stranger = await openEnd(world, world.clients[1], { mode: "p2p", host: 3, remote: to });
      for (const from of [client, stranger]) {
        for (const opcode of CONTROL_OPCODES) {
          const packet = controlPacket(40, opcode);
          await from.transport.send(packet, { to });
          const came = await expectPacket(server.transport, packet);
          if (from.dco.capabilities.localAddressKnown) assert.deepEqual(came.from, from.transport.local);
        }
      }
    },
  },
  {
    name: "of all sizes arrive whole, up to the largest that the capabilities tell",
    async run(world) {
      const { server, client } = await openTunnel(world);
      for (const size of [14, 1472, 1473, 9000, world.capabilities.maxControlPacket]) {
        const packet = controlPacket(size);
        await client.transport.send(packet, { peer: 1 });
        await expectPacket(server.transport, packet);
        await server.transport.send(packet, { peer: 1 });
        await expectPacket(client.transport, packet);
      }
    },
  },
  {
    name: "in a burst of 2,000 all arrive, in order and in both directions at once",
    async run(world) {
      const { server, client, to } = await twoEnds(world, { queueLimit: 2000 });
      // Where the transport does not know it, its first packet tells.
      const hello = controlPacket();
      await client.transport.send(hello, { to });
      const { from: back } = await expectPacket(server.transport, hello);
      const numbered = (at: number) => {
        const packet = controlPacket(100);
        new DataView(packet.buffer, packet.byteOffset).setUint32(4, at);
        return packet;
      };
      const received = Promise.all([
        readPackets(server.transport, 2000),
        readPackets(client.transport, 2000),
      ]);
      for (let at = 0; at < 2000; at++) {
        await client.transport.send(numbered(at), { to });
        await server.transport.send(numbered(at), { to: back });
      }
      for (const [index, packets] of (await received).entries()) {
        const order = packets.map(({ data }) => new DataView(data.buffer, data.byteOffset).getUint32(4));
        assert.deepEqual(
          order,
          Array.from({ length: 2000 }, (_, at) => at),
          `direction ${index}`,
        );
      }
      const { received: count, droppedQueueFull, droppedKernel } = server.transport.counters;
      assert.deepEqual([count, droppedQueueFull, droppedKernel ?? 0n], [2001n, 0n, 0n]);
      assert.equal(server.transport.counters.sent, 2000n);
    },
  },
  {
    name: "that nobody reads wait up to the limit; then the oldest are dropped and counted",
    async run(world) {
      const { server, client, to } = await twoEnds(world, { queueLimit: 10 });
      for (let at = 0; at < 30; at++) {
        const packet = controlPacket();
        packet[1] = at;
        await client.transport.send(packet, { to });
      }
      await eventually(
        "packets received",
        () => server.transport.counters.received,
        (count) => count === 30n,
      );
      assert.equal(server.transport.counters.droppedQueueFull, 20n);
      const packets = await readPackets(server.transport, 10);
      assert.deepEqual(
        packets.map(({ data }) => data[1]),
        Array.from({ length: 10 }, (_, at) => 20 + at),
      );
    },
  },
  {
    name: "have one reader at a time: a second is busy, and may come when the first has left",
    async run(world) {
      const { server, client, to } = await twoEnds(world);
      const first = server.transport.packets();
      await rejects(async () => server.transport.packets(), "busy", { operation: "packets" });
      await first.return?.();
      const controller = new AbortController();
      const second = server.transport.packets({ signal: controller.signal });
      const waiting = second.next();
      controller.abort();
      assert.deepEqual(await inTime(waiting, "the aborted reader"), { done: true, value: undefined });
      const packet = controlPacket();
      await client.transport.send(packet, { to });
      await expectPacket(server.transport, packet);
    },
  },
  {
    name: "end with the transport: the reader gets what was queued, then the end",
    async run(world) {
      const { server, client, to } = await twoEnds(world);
      const sent = [controlPacket(), controlPacket()];
      for (const packet of sent) await client.transport.send(packet, { to });
      await eventually(
        "packets received",
        () => server.transport.counters.received,
        (count) => count === 2n,
      );
      const waiting = client.transport.packets().next();
      await client.transport.close();
      assert.equal((await inTime(waiting, "the waiting reader")).done, true);
      await server.dco.close();
      const rest = await inTime(readRest(server.transport), "the reader of a closed transport");
      assert.deepEqual(
        rest.map(({ data }) => Buffer.from(data)),
        sent.map(Buffer.from),
      );
    },
  },
  {
    name: "are all that packets() gives: never data packets, with peers, without, and after the last was removed",
    async run(world) {
      const { server, client } = await openTunnel(world);
      const stranger = await world.openSocket(world.clients[1], 4);
      const to = reachable(server.site, server.transport);
      const attack = async () => {
        // Of the peer, of no peer, and of the id that means undefined.
        for (const id of [1, 77, 0xffffff]) stranger.send(dataPacket(id), to);
        const barrier = controlPacket();
        stranger.send(barrier, to);
        await expectPacket(server.transport, barrier);
      };
      await attack();
      await server.dco.removePeer(1);
      const before = server.transport.counters.droppedData;
      await attack();
      assert.ok(server.transport.counters.droppedData - before <= 3n);
      assert.equal(server.transport.counters.received, 2n);
      assert.equal(client.transport.counters.received, 0n);
    },
  },
]);
