/**
 * TCP: connecting, and waiting for connections.
 */
import assert from "node:assert/strict";
import { group } from "../case.ts";
import { eventually, inTime, pause, rejects } from "../expect.ts";
import { HOSTS } from "../needs.ts";
import { controlPacket, expectPacket, readPackets } from "../packets.ts";
import { frame, nextOf, overTcp } from "../tcp.ts";
import { openConnection, openHost, outside } from "../tunnel.ts";
import type { World } from "../world.ts";

/** An address of the network that nobody has: what is sent there is not answered. */
const NOBODY = "192.0.2.99:1194";

async function twoHosts(world: World) {
  return {
    server: await openHost(world, world.server, { mode: "multipeer", host: 1 }),
    client: await openHost(world, world.clients[0], { mode: "p2p", host: 2 }),
  };
}

export const tcpConnectionCases = group("tcp", [
  ...([4, 6] as const).map((family) => ({
    ...overTcp,
    name: `a connection over IPv${family} tells both ends' addresses, and carries control packets both ways`,
    async run(world: World) {
      const { server, client } = await twoHosts(world);
      const address = outside(world.server, family);
      const listener = await server.dco.listen({ protocol: "tcp", local: { address, port: 0 } });
      assert.equal(listener.local.address, address);
      assert.ok(listener.local.port > 0, "a port was chosen");
      const from = { address: outside(world.clients[0], family), port: 40_000 };
      const opened = await client.dco.openTransport({
        protocol: "tcp",
        local: from,
        remote: listener.local,
      });
      const accepted = await nextOf(listener);
      assert.deepEqual([opened.protocol, accepted.protocol], ["tcp", "tcp"]);
      assert.deepEqual([opened.local, opened.remote], [from, listener.local]);
      assert.deepEqual([accepted.local, accepted.remote], [listener.local, from]);
      for (const [sender, receiver] of [
        [opened, accepted],
        [accepted, opened],
      ] as const) {
        const packets = [controlPacket(), controlPacket()] as const;
        await sender.send(packets[0]);
        await sender.send(packets[1], { to: sender.remote as { address: string; port: number } });
        for (const packet of packets) {
          assert.deepEqual((await expectPacket(receiver, packet)).from, sender.local);
        }
        assert.deepEqual([sender.counters.sent, receiver.counters.received], [2n, 2n]);
      }
    },
  })),
  {
    ...overTcp,
    name: "a dual-stack listener takes IPv4 and IPv6, and tells IPv4 addresses as such; another takes IPv6 only",
    async run(world) {
      const { server, client } = await twoHosts(world);
      const listener = await server.dco.listen({ protocol: "tcp", local: "[::]:1194" });
      for (const family of [4, 6] as const) {
        const remote = { address: outside(world.server, family), port: 1194 };
        const opened = await client.dco.openTransport({ protocol: "tcp", remote });
        const accepted = await nextOf(listener);
        assert.deepEqual(accepted.local, remote);
        assert.deepEqual(accepted.remote, opened.local);
        const packet = controlPacket();
        await accepted.send(packet, { to: accepted.remote as { address: string; port: number } });
        await expectPacket(opened, packet);
      }
      await listener.close();
      const local = "[::]:1195";
      const six = await server.dco.listen({ protocol: "tcp", local, dualStack: false });
      const call = client.dco.openTransport({ protocol: "tcp", remote: `${world.server.ipv4}:1195` });
      await rejects(call, "socket", { message: /ECONNREFUSED/ });
      await client.dco.openTransport({ protocol: "tcp", remote: `[${world.server.ipv6}]:1195` });
      await nextOf(six);
    },
  },
  {
    needs: (capabilities, sites) => overTcp.needs?.(capabilities, sites) ?? HOSTS.needs(capabilities, sites),
    name: "link-local addresses work with their scope",
    async run(world) {
      const { server, client } = await twoHosts(world);
      const local = { ...world.server.linkLocal, port: 1194 };
      const listener = await server.dco.listen({ protocol: "tcp", local });
      const remote = { ...world.clients[0].linkLocal, address: local.address, port: 1194 };
      const opened = await client.dco.openTransport({ protocol: "tcp", remote });
      const accepted = await nextOf(listener);
      assert.deepEqual([accepted.local, opened.remote], [local, remote]);
      assert.equal(accepted.remote?.scopeId, world.server.linkLocal.scopeId);
      const packet = controlPacket();
      await accepted.send(packet, { to: accepted.remote as { address: string; port: number } });
      await expectPacket(opened, packet);
    },
  },
  {
    ...overTcp,
    name: "a listener gives one transport for each connection, in their order; packets do not mix",
    async run(world) {
      const { server } = await twoHosts(world);
      const local = { address: world.server.ipv4, port: 0 };
      const listener = await server.dco.listen({ protocol: "tcp", local });
      const streams = [];
      for (let n = 0; n < 20; n++) {
        const stream = await world.connectStream(world.clients[0], listener.local);
        streams.push({ stream, packet: controlPacket() });
      }
      await Promise.all(streams.toReversed().map(({ stream, packet }) => stream.write(frame(packet))));
      for (const { stream, packet } of streams) {
        const transport = await nextOf(listener);
        assert.deepEqual(transport.remote, stream.local);
        await expectPacket(transport, packet);
        await transport.close();
        assert.equal((await stream.readToEnd()).length, 0);
      }
    },
  },
  {
    ...overTcp,
    name: "closing a listener ends its iteration and what nobody took; transports that were handed out live on",
    async run(world) {
      const { server, client } = await twoHosts(world);
      const local = { address: world.server.ipv4, port: 0 };
      const listener = await server.dco.listen({ protocol: "tcp", local });
      const opened = await client.dco.openTransport({ protocol: "tcp", remote: listener.local });
      const accepted = await nextOf(listener);
      const waiting = listener[Symbol.asyncIterator]().next();
      const unclaimed = await world.connectStream(world.clients[0], listener.local);
      const claimed = await inTime(waiting, "the second connection");
      const third = await world.connectStream(world.clients[0], listener.local);
      await pause(200);
      await listener.close();
      await listener.close();
      assert.equal((await listener[Symbol.asyncIterator]().next()).done, true);
      assert.equal((await third.readToEnd()).length, 0, "a connection that nobody took is ended");
      const refused = client.dco.openTransport({ protocol: "tcp", remote: listener.local });
      await rejects(refused, "socket", { message: /ECONNREFUSED/ });
      const packet = controlPacket();
      await opened.send(packet);
      await expectPacket(accepted, packet);
      await unclaimed.write(frame(packet));
      await expectPacket(claimed.value, packet);
    },
  },
  {
    ...overTcp,
    name: "connections that ended before they were taken are not handed out, or end at once",
    async run(world) {
      const { server } = await twoHosts(world);
      const local = { address: world.server.ipv4, port: 0 };
      const listener = await server.dco.listen({ protocol: "tcp", local });
      for (let n = 0; n < 5; n++) await (await world.connectStream(world.clients[0], listener.local)).reset();
      const ended = await world.connectStream(world.clients[0], listener.local);
      await ended.close();
      await pause(200);
      const last = await world.connectStream(world.clients[0], listener.local);
      const transport = await nextOf(listener);
      assert.deepEqual(transport.remote, last.local);
    },
  },
  {
    ...overTcp,
    name: "more connections than the backlog: those over it are ended, and the listener goes on",
    async run(world) {
      const { server } = await twoHosts(world);
      const local = { address: world.server.ipv4, port: 0 };
      const listener = await server.dco.listen({ protocol: "tcp", local, backlog: 2 });
      const streams = [];
      for (let n = 0; n < 5; n++) {
        streams.push(await world.connectStream(world.clients[0], listener.local));
        await pause(50);
      }
      for (const stream of streams.slice(2)) assert.equal((await stream.readToEnd()).length, 0);
      for (const stream of streams.slice(0, 2)) {
        assert.deepEqual((await nextOf(listener)).remote, stream.local);
      }
      const next = await world.connectStream(world.clients[0], listener.local);
      assert.deepEqual((await nextOf(listener)).remote, next.local);
    },
  },
  {
    ...overTcp,
    name: "a local port in use is busy: a listener's, and that of a connection to the same remote",
    async run(world) {
      const { server, client } = await twoHosts(world);
      const theirs = await world.acceptStreams(world.clients[0], 4);
      const remote = { address: world.server.ipv4, port: 1194 };
      await server.dco.listen({ protocol: "tcp", local: remote });
      const taken = client.dco.openTransport({ protocol: "tcp", local: theirs.local, remote });
      await rejects(taken, "busy", { field: "local", effect: "none" });
      const local = { address: world.clients[0].ipv4, port: 40_000 };
      await client.dco.openTransport({ protocol: "tcp", local, remote });
      const again = client.dco.openTransport({ protocol: "tcp", local, remote });
      await rejects(again, "busy", {
        field: "local",
        effect: "none",
        message: new RegExp(`${local.address.replaceAll(".", "\\.")}:40000`),
      });
    },
  },
  {
    needs: (capabilities, sites) => overTcp.needs?.(capabilities, sites) ?? HOSTS.needs(capabilities, sites),
    name: "a host that is not there is socket, with its address, in the end",
    async run(world) {
      const { client } = await twoHosts(world);
      const call = client.dco.openTransport({ protocol: "tcp", remote: NOBODY });
      const error = await rejects(call, "socket", { effect: "none", message: /192\.0\.2\.99/ });
      assert.equal(error.native?.name, "EHOSTUNREACH");
    },
  },
  {
    ...overTcp,
    name: "a connect that is aborted, or whose interface closes, ends at once and leaves nothing",
    async run(world) {
      const { client } = await twoHosts(world);
      const { dco } = client;
      const abort = new AbortController();
      const aborted = dco.openTransport({ protocol: "tcp", remote: NOBODY, signal: abort.signal });
      const closed = dco.openTransport({ protocol: "tcp", remote: NOBODY });
      const expected = rejects(closed, "closed", { effect: "unknown" });
      await pause(50);
      abort.abort();
      await inTime(rejects(aborted, "aborted", { effect: "none" }), "the aborted connect", 1000);
      await dco.close();
      await inTime(expected, "the connect of the closed interface", 1000);
    },
  },
  {
    ...overTcp,
    name: "the transports of a listener and of connects close with their interface, and the others are told",
    async run(world) {
      const { server, client } = await twoHosts(world);
      const one = await openConnection(server, client);
      const two = await openConnection(server, client);
      const reading = readPackets(one.client, 1).catch((error: Error) => error);
      await server.dco.close();
      assert.deepEqual([one.server.closed, two.server.closed], [true, true]);
      assert.match(String(await reading), /ended after 0/);
      await eventually(
        "the other ends",
        () => [one.client.closed, two.client.closed],
        (closed) => closed.every(Boolean),
      );
      await rejects(one.client.send(controlPacket()), "closed");
    },
  },
]);
