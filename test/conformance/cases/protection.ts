/**
 * What a stranger on the wire can do: nothing.
 */
import assert from "node:assert/strict";
import { group } from "../case.ts";
import { eventually } from "../expect.ts";
import { controlPacket, expectPacket } from "../packets.ts";
import { connect, type End, openEnd } from "../tunnel.ts";
import type { ForeignSocket, World } from "../world.ts";

/** A tunnel whose client sends all its packets to somebody else, who may pass them on. */
export async function interceptedTunnel(
  world: World,
): Promise<{ server: End; client: End; between: ForeignSocket }> {
  const between = await world.openSocket(world.clients[2], 4);
  const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
  const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2 });
  await connect(server, client, { client: { remote: between.local } });
  return { server, client, between };
}

/** Sends a ping from the client into the tunnel, and gives its encrypted packet. */
export async function capture(
  world: World,
  client: End,
  server: End,
  between: ForeignSocket,
): Promise<Uint8Array> {
  const [packet] = await Promise.all([
    between.receive(),
    world.ping(client.site, server.vpn.ipv4, { count: 1, wait: 0.5 }),
  ]);
  return packet;
}

/** What the server has received, once everything that was sent to it before has been looked at. */
async function received(server: End, between: ForeignSocket): Promise<bigint | undefined> {
  const barrier = controlPacket();
  between.send(barrier, server.transport.local as { address: string; port: number });
  await expectPacket(server.transport, barrier);
  // Decryption may be under way on another processor still.
  const link = async () => (await server.dco.stats())[0]?.link?.rxPackets;
  let before = await link();
  await eventually("the link's counter at rest", link, (now) => {
    const rests = now === before;
    before = now;
    return rests;
  });
  return (await server.dco.stats())[0]?.tunnel?.rxPackets;
}

export const protectionCases = group("protection", [
  {
    name: "a packet that is sent again is dropped, where replays are guarded against",
    needs: ({ replayProtection, packetStats }) =>
      replayProtection !== "disabled" && packetStats ? undefined : "replays are not dropped",
    async run(world) {
      const { server, client, between } = await interceptedTunnel(world);
      const to = server.transport.local as { address: string; port: number };
      const first = await capture(world, client, server, between);
      const second = await capture(world, client, server, between);
      // Out of order is no replay.
      between.send(second, to);
      between.send(first, to);
      assert.equal(await received(server, between), 2n);
      for (const packet of [first, second, first]) between.send(packet, to);
      assert.equal(await received(server, between), 2n);
    },
  },
  {
    name: "a packet that is sent again and one that was changed are counted in the link, and not in the tunnel",
    needs: ({ replayProtection, linkStats, packetStats }) =>
      replayProtection !== "disabled" && linkStats && packetStats ? undefined : "they are not counted",
    async run(world) {
      const { server, client, between } = await interceptedTunnel(world);
      const to = server.transport.local as { address: string; port: number };
      const first = await capture(world, client, server, between);
      const second = await capture(world, client, server, between);
      const forged = Uint8Array.from(second);
      forged[30] = (forged[30] as number) ^ 1;
      let bytes = 0;
      for (const [at, packet] of [first, first, forged, forged, second].entries()) {
        between.send(packet, to);
        bytes += packet.length;
        assert.equal(await received(server, between), at < 4 ? 1n : 2n);
        const link = (await server.dco.stats())[0]?.link;
        assert.deepEqual([link?.rxPackets, link?.rxBytes], [BigInt(at + 1), BigInt(bytes)]);
      }
    },
  },
  {
    name: "a packet that was changed in any part is dropped",
    needs: ({ packetStats }) => (packetStats ? undefined : "packets are not counted"),
    async run(world) {
      const { server, client, between } = await interceptedTunnel(world);
      const to = server.transport.local as { address: string; port: number };
      const packet = await capture(world, client, server, between);
      const last = packet.length - 1;
      // Key id, peer id, packet id, tag, ciphertext; then cut off, and with one more byte.
      for (const at of [0, 3, 4, 7, 8, 23, 24, last]) {
        const forged = Uint8Array.from(packet);
        forged[at] = (forged[at] as number) ^ 1;
        between.send(forged, to);
      }
      for (const size of [4, 8, 23, 24, 25, last]) between.send(packet.subarray(0, size), to);
      between.send(Uint8Array.of(...packet, 0), to);
      assert.equal(await received(server, between), 0n);
      between.send(packet, to);
      assert.equal(await received(server, between), 1n, "the true one goes through");
    },
  },
  {
    name: "a peer is followed to where an authenticated packet comes from, and not by a replay or a changed one",
    needs: ({ floatEvent, floatAuthenticated, replayProtection, packetStats }) =>
      floatEvent !== "none" && floatAuthenticated && replayProtection !== "disabled" && packetStats
        ? undefined
        : "peers do not float by authenticated packets only",
    async run(world) {
      const { server, client, between } = await interceptedTunnel(world);
      const third = await world.openSocket(world.clients[1], 4);
      const to = server.transport.local as { address: string; port: number };
      const [first, second] = [
        await capture(world, client, server, between),
        await capture(world, client, server, between),
      ];
      between.send(first, to);
      assert.deepEqual((await server.events.next("peer-floated")).remote, between.local);
      const forged = Uint8Array.from(second);
      forged[30] = (forged[30] as number) ^ 1;
      for (const packet of [first, forged]) third.send(packet, to);
      assert.equal(await received(server, third), 1n);
      assert.deepEqual((await server.dco.peer(1)).remote, between.local);
      third.send(second, to);
      assert.deepEqual((await server.events.next("peer-floated")).remote, third.local);
      assert.equal(server.events.of("peer-floated").length, 2);
    },
  },
]);
