/**
 * Transports: what sockets there are, and who shares them.
 */
import assert from "node:assert/strict";
import type { DcoInterface, Transport } from "../../../src/core/contract.ts";
import type { Endpoint } from "../../../src/core/model.ts";
import { type Case, group } from "../case.ts";
import { rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { HOSTS, REFUSES_FOREIGN_ADDRESSES } from "../needs.ts";
import { controlPacket, expectPacket } from "../packets.ts";
import { Recorder } from "../recorder.ts";
import { assertReaches, connect, installKeys, openEnd, openTunnel, reachable, seenFrom } from "../tunnel.ts";
import type { Site, World } from "../world.ts";

/** Somewhere that nobody is. */
const NOWHERE = "192.0.2.99:1194";

const adoptsSockets: Pick<Case, "needs"> = {
  needs: ({ adoptSocket }) => (adoptSocket ? undefined : "the driver takes no socket of the caller's"),
};
const dualStack: Pick<Case, "needs"> = {
  needs: (capabilities) => (capabilities.dualStack ? undefined : "the driver has no dual-stack transports"),
};
const manyTransports: Pick<Case, "needs"> = {
  needs: ({ maxTransports }) => (maxTransports > 1 ? undefined : "an interface has one transport only"),
};

/** Where another transport can be opened: another interface, where one has one transport only. */
async function nextInterface(world: World, dco: DcoInterface): Promise<DcoInterface> {
  return world.capabilities.maxTransports > 1 ? dco : world.createInterface(world.server, { mode: "p2p" });
}

export const transportCases = group("transports", [
  {
    name: "a transport tells protocol, local address and remote, also where any address or port was asked for",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      const { ipv4, ipv6 } = world.server;
      const bound = await dco.openTransport({ protocol: "udp", local: `${ipv4}:1194` });
      assert.equal(bound.protocol, "udp");
      assert.equal(bound.remote, undefined);
      if (!world.capabilities.localAddressKnown) return;
      assert.deepEqual(bound.local, { address: ipv4, port: 1194 });
      const any = await (await nextInterface(world, dco)).openTransport({
        protocol: "udp",
        local: `[${ipv6}]:0`,
        remote: "[2001:db8::9]:1194",
      });
      assert.equal(any.local?.address, ipv6);
      assert.ok((any.local?.port ?? 0) > 0, "a port was chosen");
      assert.deepEqual(any.remote, { address: "2001:db8::9", port: 1194 });
      const last = await nextInterface(world, dco);
      const byRemote = await last.openTransport({ protocol: "udp", remote: "192.0.2.9:1194" });
      assert.equal(byRemote.local?.address, "0.0.0.0");
    },
  },
  {
    name: "a local address that is in use is busy, and free after close",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      const local = { address: world.server.ipv4, port: 1194 };
      const transport = await dco.openTransport({ protocol: "udp", local });
      const other = await nextInterface(world, dco);
      await rejects(other.openTransport({ protocol: "udp", local }), "busy", { operation: "openTransport" });
      await transport.close();
      const again = await dco.openTransport({ protocol: "udp", local });
      assert.deepEqual(again.local, local);
    },
  },
  {
    ...REFUSES_FOREIGN_ADDRESSES,
    name: "a local address that is not the host's is refused",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      await rejects(dco.openTransport({ protocol: "udp", local: "192.0.2.99:0" }), "socket");
    },
  },
  {
    name: "a protocol that the driver does not carry is unsupported, for openTransport and listen",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      const { transports, listeners } = world.capabilities;
      for (const protocol of ["udp", "tcp"] as const) {
        const local = `${world.server.ipv4}:0`;
        const remote = `${world.clients[0].ipv4}:1194`;
        if (!transports.includes(protocol)) {
          const call = dco.openTransport({ protocol, remote });
          await rejects(call, "unsupported", { capability: "transports" });
        }
        if (!listeners.includes(protocol)) {
          await rejects(dco.listen({ protocol, local }), "unsupported", { capability: "listeners" });
        }
      }
    },
  },
  {
    ...dualStack,
    name: "a dual-stack transport carries IPv4 and IPv6 peers, and tells IPv4 addresses as such",
    async run(world) {
      const local = { address: "::", port: 1194 };
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1, transport: { local } });
      assert.deepEqual(server.transport.local, local);
      for (const [at, family] of ([4, 6] as const).entries()) {
        const site = world.clients[at as 0 | 1];
        const client = await openEnd(world, site, { mode: "p2p", host: at + 2, family });
        await connect(server, client, { id: at + 1, family });
        await assertReaches(world, client, server.vpn.ipv4);
        await assertReaches(world, server, client.vpn.ipv6);
        const packet = controlPacket();
        await client.transport.send(packet, { to: reachable(server.site, server.transport, family) });
        const { from } = await expectPacket(server.transport, packet);
        assert.deepEqual(from, client.transport.local);
        assert.deepEqual((await server.dco.peer(at + 1)).remote, client.transport.local);
        await server.transport.send(packet, { to: from });
        await expectPacket(client.transport, packet);
      }
    },
  },
  {
    name: "an IPv6 transport that is not dual-stack leaves the port free for IPv4",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      const six = await dco.openTransport({ protocol: "udp", local: "[::]:1194", dualStack: false });
      const next = await nextInterface(world, dco);
      const four = await next.openTransport({ protocol: "udp", local: "0.0.0.0:1194" });
      const other = await world.createInterface(world.clients[0], { mode: "p2p" });
      const sender = await other.openTransport({ protocol: "udp", local: `${world.clients[0].ipv4}:0` });
      const packet = controlPacket();
      await sender.send(packet, { to: `${world.server.ipv4}:1194` });
      await expectPacket(four, packet);
      assert.equal(six.counters.received, 0n);
    },
  },
  {
    ...HOSTS,
    name: "link-local addresses work with their scope: peers, senders, and control packets",
    async run(world) {
      const { address, scopeId } = world.server.linkLocal;
      const local = { address, port: 1194, scopeId };
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1, transport: { local } });
      assert.deepEqual(server.transport.local, local);
      const own = { ...world.clients[0].linkLocal, port: 0 };
      const client = await openEnd(world, world.clients[0], {
        mode: "p2p",
        host: 2,
        transport: { local: own },
      });
      await connect(server, client);
      await assertReaches(world, client, server.vpn.ipv4);
      const remote = seenFrom(server.site, client.transport.local as Endpoint);
      assert.deepEqual((await server.dco.peer(1)).remote, remote);
      const packet = controlPacket();
      await client.transport.send(packet, { peer: 1 });
      assert.deepEqual((await expectPacket(server.transport, packet)).from, remote);
      await server.transport.send(packet, { peer: 1 });
      await expectPacket(client.transport, packet);
    },
  },
  ...([4, 6] as const).map((family) => ({
    name: `a transport that is bound to one of the host's IPv${family} addresses sends everything from that one`,
    async run(world: World) {
      const added = await world.addAddresses(world.clients[0]);
      const address = family === 6 ? added.ipv6 : added.ipv4;
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1, family });
      const transport = { local: { address, port: 0 } };
      const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2, family, transport });
      await connect(server, client, { family });
      await assertReaches(world, client, server.vpn.ipv4);
      assert.deepEqual((await server.dco.peer(1)).remote, client.transport.local);
      if (world.capabilities.setRemote) {
        await client.dco.setPeer(1, { remote: reachable(server.site, server.transport, family) });
        await assertReaches(world, client, server.vpn.ipv6);
      }
      const packet = controlPacket();
      await client.transport.send(packet, { peer: 1 });
      assert.deepEqual((await expectPacket(server.transport, packet)).from, client.transport.local);
      assert.deepEqual(server.events.of("peer-floated"), []);
    },
  })),
  {
    name: "a peer without a remote is where the transport's remote is",
    async run(world) {
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const remote = reachable(server.site, server.transport);
      const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2, transport: { remote } });
      await connect(server, client, { client: { remote: undefined } as object });
      assert.deepEqual((await client.dco.peer(1)).remote, remote);
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    ...manyTransports,
    name: "several transports of one interface carry different peers",
    async run(world) {
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const local = { address: world.server.ipv6, port: 1195 };
      const second = await server.dco.openTransport({ protocol: "udp", local });
      const ends = { 4: server, 6: { ...server, transport: second } } as const;
      for (const [at, family] of ([4, 6] as const).entries()) {
        const site = world.clients[at as 0 | 1];
        const client = await openEnd(world, site, { mode: "p2p", host: at + 2, family });
        await connect(ends[family], client, { id: at + 1, family });
        await assertReaches(world, client, server.vpn.ipv4);
      }
      await second.close();
      assert.deepEqual(
        (await server.dco.peers()).map((peer) => peer.id),
        [1],
        "the other transport's peer stays",
      );
    },
  },
  ...([4, 6] as const).map(
    (family) =>
      ({
        ...adoptsSockets,
        name: `an adopted IPv${family} socket carries traffic, and stays the caller's by default`,
        async run(world) {
          const socket = await world.openSocket(world.server, family);
          const adopt = { fd: socket.fd };
          const server = await openEnd(world, world.server, {
            mode: "multipeer",
            host: 1,
            transport: { adopt },
          });
          assert.deepEqual(server.transport.local, socket.local);
          const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2, family });
          await connect(server, client, { family });
          await assertReaches(world, client, server.vpn.ipv4);
          const packet = controlPacket();
          await client.transport.send(packet, { peer: 1 });
          await expectPacket(server.transport, packet);
          await server.transport.close();
          assert.equal(socket.isOpen(), true, "the caller's descriptor is open");
          assert.deepEqual(await server.dco.peers(), []);
          // The same socket again: the kernel has let go of it.
          const again = await server.dco.openTransport({ protocol: "udp", adopt });
          await connect({ ...server, transport: again }, client, { family, client: { replace: true } });
          await assertReaches(world, client, server.vpn.ipv4);
        },
      }) satisfies Omit<Case, "group">,
  ),
  {
    ...adoptsSockets,
    name: "an adopted socket that is taken is closed with the transport",
    async run(world) {
      const socket = await world.openSocket(world.server, 4);
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      const adopt = { fd: socket.fd, ownership: "take" } as const;
      const transport = await dco.openTransport({ protocol: "udp", adopt });
      assert.deepEqual(transport.local, socket.local);
      await transport.close();
      assert.equal(socket.isOpen(), false);
    },
  },
  {
    name: "a transport that is closed, or another interface's, takes no peer",
    async run(world) {
      const server = await openEnd(world, world.server, { mode: "p2p", host: 1 });
      const other = await openEnd(world, world.clients[0], { mode: "p2p", host: 2 });
      const remote = `${world.clients[1].ipv4}:1194`;
      const add = (transport: typeof server.transport) => server.dco.addPeer({ id: 1, transport, remote });
      await rejects(add(other.transport), "socket", { field: "transport", effect: "none" });
      await server.transport.close();
      await rejects(add(server.transport), "socket", { field: "transport", effect: "none" });
    },
  },
  {
    name: "closing a transport leaves the interface usable: a new transport takes its place",
    needs: ({ closeTransport }) =>
      closeTransport ? undefined : "a transport closes only with its interface",
    async run(world) {
      const { server, client } = await openTunnel(world);
      const local = server.transport.local as { address: string; port: number };
      await server.transport.close();
      assert.equal(server.transport.closed, true);
      const transport = await server.dco.openTransport({ protocol: "udp", local });
      const next = { ...server, transport };
      await connect(next, client, { client: { replace: true }, keys: false });
      await installKeys(next, client);
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    name: "a transport at another site than its interface carries its peers and tells of their end",
    needs: ({ namespaces }) => (namespaces ? undefined : "the driver knows no network namespaces"),
    async run(world) {
      const elsewhere = world.clients[2];
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const options = { protocol: "udp", local: `${elsewhere.ipv4}:1194`, ...elsewhere.extras } as const;
      const away = { ...server, site: elsewhere, transport: await server.dco.openTransport(options) };
      const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2 });
      await connect(away, client);
      await assertReaches(world, client, server.vpn.ipv4);
      await server.dco.setPeer(1, { keepalive: { interval: 1, timeout: 2 } });
      await client.dco.removePeer(1);
      assert.equal((await server.events.next("peer-deleted")).reason, "expired");
    },
  },
  {
    name: "interfaces at different sites with the same index and peer id are told apart, whatever ends a peer",
    needs: ({ namespaces }) => (namespaces ? undefined : "the driver knows no network namespaces"),
    async run(world) {
      const shared = world.clients[2];
      const [one, two] = await sameIndex(world, world.server, shared);
      const ends = [];
      for (const dco of [one, two]) {
        const options = { protocol: "udp", local: `${shared.ipv4}:0`, ...shared.extras } as const;
        ends.push({ dco, events: new Recorder(dco), transport: await dco.openTransport(options) });
      }
      const keepalive = { interval: 1, timeout: 2 };
      for (const [ending, staying] of [ends, ends.toReversed()] as [Watched, Watched][]) {
        for (const how of ["expired", "requested"] as const) {
          const add = (end: Watched) =>
            end.dco.addPeer({ id: 1, transport: end.transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.9" } });
          await add(ending);
          const { generation } = await add(staying);
          if (how === "expired") {
            await ending.dco.setPeer(1, { keepalive });
            await ending.dco.installKey(1, freshKey());
          } else await ending.dco.removePeer(1);
          assert.equal((await ending.events.next("peer-deleted")).reason, how);
          assert.equal((await staying.dco.peer(1)).generation, generation, "the other's peer is there");
          await staying.dco.removePeer(1);
          assert.equal((await staying.events.next("peer-deleted")).reason, "requested");
        }
      }
    },
  },
]);

interface Watched {
  readonly dco: DcoInterface;
  readonly events: Recorder;
  readonly transport: Transport;
}

/** Interfaces at two sites whose numbers happen to be the same. */
async function sameIndex(world: World, first: Site, second: Site): Promise<[DcoInterface, DcoInterface]> {
  const make = (site: Site) => world.createInterface(site, { mode: "multipeer" });
  const made: [DcoInterface, DcoInterface] = [await make(first), await make(second)];
  while (made[0].index !== made[1].index) {
    const behind = made[0].index < made[1].index ? 0 : 1;
    await made[behind].close();
    made[behind] = await make(behind === 0 ? first : second);
  }
  return made;
}
