/**
 * TCP on the userspace backend, at both ends of a connection.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import type { Listener, Transport } from "../../../src/core/contract.ts";
import { type Case, group } from "../case.ts";
import { inTime, rejects } from "../expect.ts";
import { controlPacket, expectPacket, readRest } from "../packets.ts";
import { assertReaches, connect, type End, openEnd } from "../tunnel.ts";
import type { World } from "../world.ts";

async function accept(listener: Listener): Promise<Transport> {
  const { value } = await inTime(listener[Symbol.asyncIterator]().next(), "a connection");
  return value as Transport;
}

/** A connection between two ends, whose UDP transports are not used. */
async function openConnection(world: World, family: 4 | 6 = 4) {
  const [server, client] = [
    await openEnd(world, world.server, { mode: "multipeer", host: 1 }),
    await openEnd(world, world.clients[0], { mode: "p2p", host: 2 }),
  ];
  const address = family === 6 ? world.server.ipv6 : world.server.ipv4;
  const listener = await server.dco.listen({ protocol: "tcp", local: { address, port: 0 } });
  const opened = await client.dco.openTransport({ protocol: "tcp", remote: listener.local });
  const accepted = await accept(listener);
  return {
    listener,
    server: { ...server, transport: accepted },
    client: { ...client, transport: opened },
  };
}

async function openTcpTunnel(world: World, family: 4 | 6 = 4) {
  const ends = await openConnection(world, family);
  const remote = { remote: undefined } as object;
  await connect(ends.server, ends.client, { server: remote, client: remote });
  return ends;
}

/** A connection to the server that was not made by the SDK, with a peer on it. */
async function openForeign(world: World): Promise<{ server: End; socket: Socket }> {
  const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
  const local = { address: world.server.ipv4, port: 0 };
  const listener = await server.dco.listen({ protocol: "tcp", local });
  const socket = connectTcp({ host: listener.local.address, port: listener.local.port });
  world.onClose(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  const transport = await accept(listener);
  await server.dco.addPeer({ id: 1, transport, vpn: { ipv4: "10.8.0.2" } });
  return { server: { ...server, transport }, socket };
}

function frame(packet: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(packet.length >> 8, packet.length & 255), packet]);
}

export const userspaceTcpCases: Case[] = group("userspace TCP", [
  ...([4, 6] as const).map((family) => ({
    name: `carries packets of all sizes both ways over IPv${family}, and control packets beside them`,
    async run(world: World) {
      const { server, client } = await openTcpTunnel(world, family);
      for (const end of [server, client]) await end.dco.configure({ mtu: 9000 });
      await assertReaches(world, client, server.vpn.ipv4, { size: 8972, count: 20 });
      await assertReaches(world, server, client.vpn.ipv6, { size: 1, count: 20 });
      for (const size of [4, 1500, 65507]) {
        const packet = controlPacket(size);
        await client.transport.send(packet);
        await expectPacket(server.transport, packet);
        await server.transport.send(packet, { peer: 1 });
        await expectPacket(client.transport, packet);
      }
      const [stats] = await server.dco.stats();
      assert.equal(stats?.link?.rxPackets, 40n);
      assert.equal(stats?.link?.rxBytes, (stats?.tunnel?.rxBytes ?? 0n) + 40n * 24n);
      assert.equal((await server.dco.peer(1)).remote, undefined);
    },
  })),
  {
    name: "a peer that is removed leaves its connection, which takes another; a second at a time is refused",
    async run(world) {
      const { server, client } = await openTcpTunnel(world);
      const peer = { transport: server.transport, vpn: { ipv4: "10.8.0.9" } };
      await rejects(server.dco.addPeer({ ...peer, id: 2 }), "socket", { effect: "none" });
      await server.dco.removePeer(1);
      assert.equal(server.transport.closed, false);
      await server.dco.addPeer({ ...peer, id: 2 });
      const packet = controlPacket();
      await client.transport.send(packet);
      await expectPacket(server.transport, packet);
    },
  },
  {
    name: "the other end's close ends the transport and its peer, transport-disconnect",
    async run(world) {
      const { server, client } = await openTcpTunnel(world);
      const reading = readRest(server.transport);
      await client.transport.close();
      assert.equal((await server.events.next("peer-deleted")).reason, "transport-disconnect");
      assert.deepEqual(await inTime(reading, "the reader"), []);
      await inTime(server.transport.close(), "close");
    },
  },
  {
    name: "frames in pieces, and several in one, are packets all the same",
    async run(world) {
      const { server, socket } = await openForeign(world);
      const packets = [controlPacket(4), controlPacket(1000), controlPacket(20000)];
      const stream = Buffer.concat(packets.map(frame));
      for (const [from, to] of [
        [0, 1],
        [1, 3],
        [3, 1500],
        [1500, stream.length],
      ] as const) {
        socket.write(stream.subarray(from, to));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      for (const packet of packets) await expectPacket(server.transport, packet);
    },
  },
  ...(
    [
      ["a frame without a packet", Buffer.of(0, 0)],
      ["a packet that is too short", frame(Buffer.of(32, 0, 0))],
      ["a packet of the older kind", frame(Buffer.alloc(40, 6 << 3))],
    ] as const
  ).map(([what, bytes]) => ({
    name: `${what} ends the transport and its peer, transport-error`,
    async run(world: World) {
      const { server, socket } = await openForeign(world);
      socket.write(bytes);
      assert.equal((await server.events.next("peer-deleted")).reason, "transport-error");
      const closed = once(socket, "close");
      socket.resume();
      await inTime(closed, "the end of the connection");
    },
  })),
  {
    name: "a reset within a frame is transport-error or transport-disconnect, and nothing hangs",
    async run(world) {
      const { server, socket } = await openForeign(world);
      socket.write(frame(controlPacket(100)).subarray(0, 50));
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.resetAndDestroy();
      const { reason } = await server.events.next("peer-deleted");
      assert.equal(reason, "transport-error");
    },
  },
  {
    name: "an other end that does not read costs drops, not memory",
    async run(world) {
      const { server, socket } = await openForeign(world);
      socket.pause();
      const { freshKey } = await import("../keys.ts");
      await server.dco.installKey(1, freshKey());
      const { packets, drops } = server.dco.extras as {
        packets: NodeJS.WritableStream;
        drops: { notSent: number };
      };
      assert.equal(drops.notSent, 0);
      const packet = Buffer.alloc(1400, 0x45);
      packet.set([10, 8, 0, 2], 16);
      const dropped = () => (server.dco.extras as { drops: { notSent: number } }).drops.notSent;
      for (let sent = 0; sent < 100_000 && dropped() < 100; sent++) {
        packets.write(packet as never);
        if (sent % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      assert.ok(dropped() >= 100);
      await inTime(server.transport.close(), "close");
    },
  },
  {
    name: "a connection that is refused is socket with the errno, and one that is aborted is aborted",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      const remote = `${world.server.ipv4}:9`;
      const error = await rejects(dco.openTransport({ protocol: "tcp", remote }), "socket");
      assert.equal(error.native?.name, "ECONNREFUSED");
      const signal = AbortSignal.timeout(20);
      const call = dco.openTransport({ protocol: "tcp", remote: "192.0.2.99:1194", signal });
      const late = await call.catch((error: unknown) => error as { code: string });
      assert.ok("code" in late && ["aborted", "socket"].includes(late.code), String(late));
    },
  },
  {
    name: "a listener on UDP hands over one transport for all senders, and ends",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      const listener = await dco.listen({ protocol: "udp", local: `${world.server.ipv4}:0` });
      const taken: Transport[] = [];
      for await (const transport of listener) taken.push(transport);
      await listener.close();
      assert.equal(taken.length, 1);
      const [transport] = taken as [Transport];
      assert.deepEqual(transport.local, listener.local);
      assert.equal(transport.closed, false);
      const stranger = await world.openSocket(world.clients[0], 4);
      const packet = controlPacket();
      stranger.send(packet, listener.local);
      await expectPacket(transport, packet);
    },
  },
]);
