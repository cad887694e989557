/**
 * What FreeBSD's kernel does in its own way, and callers are not to notice.
 */
import assert from "node:assert/strict";
import { group } from "../case.ts";
import { eventually, rejects } from "../expect.ts";
import { FREEBSD_ONLY, openRaw, runAt, startAt, takeOutside } from "../freebsd/raw.ts";
import { freshKey } from "../keys.ts";
import { Recorder } from "../recorder.ts";
import { assertReaches, connect, openEnd, openTunnel, SERVER_PORT } from "../tunnel.ts";

const AF_LOCAL = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const IPPROTO_UDPLITE = 136;
const NOWHERE = "192.0.2.99:1194";

export const freebsdCases = group("FreeBSD", [
  {
    ...FREEBSD_ONLY,
    name: "sockets that are not bound UDP sockets never get to the kernel, which would panic on some",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      const { ipv4: address } = world.server;
      const sockets = {
        "a local datagram socket": openRaw(world, world.server, { domain: AF_LOCAL, type: SOCK_DGRAM }),
        "a local stream socket": openRaw(world, world.server, { domain: AF_LOCAL, type: SOCK_STREAM }),
        "a TCP socket": openRaw(
          world,
          world.server,
          { domain: AF_INET, type: SOCK_STREAM },
          { address, port: 0 },
        ),
        "a UDP socket that is not bound": openRaw(world, world.server, { domain: AF_INET, type: SOCK_DGRAM }),
        "a UDP-Lite socket": openRaw(
          world,
          world.server,
          { domain: AF_INET, type: SOCK_DGRAM, protocol: IPPROTO_UDPLITE },
          { address, port: 0 },
        ),
      };
      for (const [what, fd] of Object.entries(sockets)) {
        for (const ownership of ["keep", "take"] as const) {
          const call = dco.openTransport({ protocol: "udp", adopt: { fd, ownership } });
          const error = await rejects(call, "socket", { field: "adopt.fd", effect: "none" });
          assert.ok(error, what);
        }
      }
    },
  },
  {
    ...FREEBSD_ONLY,
    name: "a key alone does not raise an interface, and what is up stays up",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      const transport = await dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
      await dco.addPeer({ id: 1, transport, remote: NOWHERE });
      await dco.installKey(1, freshKey());
      assert.equal((await world.inspect(world.server, dco.name))?.up, false);
      await dco.configure({ up: true });
      await dco.linkUp();
      await dco.installKey(1, freshKey(1, "secondary"));
      assert.equal((await world.inspect(world.server, dco.name))?.up, true);
    },
  },
  {
    ...FREEBSD_ONLY,
    name: "a transport that is closed gives its port back, though the kernel keeps the socket of an interface",
    async run(world) {
      const { server } = await openTunnel(world);
      await server.transport.close();
      const local = { address: world.server.ipv4, port: SERVER_PORT };
      for (let round = 0; round < 3; round++) {
        const transport = await server.dco.openTransport({ protocol: "udp", local });
        await server.dco.addPeer({ id: 1, transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.2" } });
        await transport.close();
        assert.deepEqual(await server.dco.peers(), []);
      }
    },
  },
  {
    ...FREEBSD_ONLY,
    name: "the port of an owner who died is free again for who adopts the interface and flushes its peers",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer", deleteOnClose: false });
      const { name } = dco;
      await dco.close();
      const owner = await world.startOwner(world.server, name, [1, 2]);
      const taken = await runAt(world.server, "netstat", "-an", "-p", "udp");
      const port = Number(/192\.0\.2\.1\.(\d+)/.exec(taken)?.[1]);
      assert.ok(port > 0, taken);
      await owner.kill();
      const adopted = await world.driver.adoptInterface(name, { peers: "flush", ...world.server.extras });
      const local = { address: world.server.ipv4, port };
      const transport = await adopted.openTransport({ protocol: "udp", local });
      await adopted.addPeer({ id: 1, transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.2" } });
      await adopted.close();
    },
  },
  {
    ...FREEBSD_ONLY,
    name: "what a killed process in a jail leaves is told to be its own, and cleaned up; a living one's is not",
    async run(world) {
      const { extras, ipv4: address } = world.server;
      const order = (name: string) => ({ name, address });
      const [dying, living] = [
        await startAt(world, world.server, "live", order("dk-dying")),
        await startAt(world, world.server, "live", order("dk-living")),
      ];
      assert.match(dying.line, /^open/);
      assert.match(living.line, /^open/);
      assert.deepEqual(await world.driver.cleanUp(extras), []);
      await dying.kill();
      const listed = await world.driver.listInterfaces(extras);
      assert.deepEqual(listed.map(({ name, owner, mode }) => [name, owner?.alive, mode]).sort(), [
        ["dk-dying", false, "multipeer"],
        ["dk-living", true, "multipeer"],
      ]);
      const removed = await world.driver.cleanUp(extras);
      assert.deepEqual(
        removed.map(({ name }) => name),
        ["dk-dying"],
      );
      await living.kill();
      assert.equal((await world.driver.cleanUp(extras)).length, 1);
    },
  },
  {
    ...FREEBSD_ONLY,
    name: "the system sends nothing of its own through a tunnel, unless multicast is wanted",
    async run(world) {
      const flags = async (extras: object) => {
        const options = { mode: "p2p", ...extras } as const;
        const dco = await world.createInterface(world.server, options);
        return runAt(world.server, "ifconfig", dco.name);
      };
      assert.doesNotMatch(await flags({}), /MULTICAST/);
      assert.match(await flags({ multicast: true }), /MULTICAST/);
      const bad = world.createInterface(world.server, { mode: "p2p", multicast: 1 } as never);
      await rejects(bad, "invalid", { field: "multicast" });
    },
  },
  {
    ...FREEBSD_ONLY,
    name: "an interface that another of the same name and index replaces is gone for its owner",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p", name: "dk-twin" });
      const events = new Recorder(dco);
      await world.removeInterface(world.server, "dk-twin");
      await world.addInterface(world.server, "dk-twin");
      await events.next("interface-removed");
      await events.next("closed");
      assert.equal(dco.closed, true);
      assert.ok(await world.inspect(world.server, "dk-twin"), "the other is left alone");
    },
  },
  {
    ...FREEBSD_ONLY,
    name: "an interface that is taken to another network stack is gone for its owner, and its peers have ended",
    async run(world) {
      const { server, client } = await openTunnel(world);
      await assertReaches(world, client, server.vpn.ipv4);
      const takeBack = await takeOutside(world.server, server.dco.name);
      world.onClose(takeBack);
      await server.events.next("interface-removed");
      await server.events.next("closed");
      assert.deepEqual(
        server.events.of("peer-deleted").map(({ peer, reason }) => [peer, reason]),
        [[1, "interface-removed"]],
      );
      assert.equal(server.dco.closed, true);
    },
  },
  {
    ...FREEBSD_ONLY,
    name: "what names interfaces may have, the kernel and its tools take; others are refused before it is asked",
    async run(world) {
      const { server } = world;
      for (const name of ["k", "dk.x-1_y", "D".repeat(15)]) {
        const dco = await world.createInterface(server, { mode: "p2p", name });
        assert.equal(dco.name, name);
        assert.match(await runAt(server, "ifconfig", name), /groups: openvpn/);
        await dco.close();
      }
      for (const name of ["", "1st", "-a", "a b", "a/b", "a%d", "a".repeat(16)]) {
        const call = world.createInterface(server, { mode: "p2p", name });
        await rejects(call, "invalid", { field: "name" });
      }
      assert.deepEqual(await world.driver.listInterfaces(server.extras), []);
    },
  },
  {
    ...FREEBSD_ONLY,
    name: "events that the kernel has no room for end in overflow, a true snapshot, and one end for each peer",
    timeoutMs: 120_000,
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      for (let id = 1; id <= 100; id++) {
        const vpn = { ipv4: `10.8.0.${id + 1}` };
        await end.dco.addPeer({ id, transport: end.transport, remote: NOWHERE, vpn });
      }
      // The other driver reads what it can; what is left is more than there is room for.
      assert.equal(world.flushWhileStanding(world.server, end.dco.name), 100);
      await eventually(
        "the end of all",
        () => end.events.of("peer-deleted").length,
        (ended) => ended === 100,
      );
      const told = end.events.of("peer-deleted");
      assert.equal(new Set(told.map(({ peer }) => peer)).size, 100);
      assert.deepEqual(await end.dco.peers(), []);
    },
  },
  {
    ...FREEBSD_ONLY,
    name: "a tunnel works on after its interface went down and up by the system's own program",
    async run(world) {
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2 });
      await connect(server, client);
      await world.setUp(world.server, server.dco.name, false);
      assert.equal((await server.events.next("link", ({ up }) => !up)).up, false);
      await world.setUp(world.server, server.dco.name, true);
      await server.events.next("link", ({ up }) => up);
      await assertReaches(world, client, server.vpn.ipv4);
      await assertReaches(world, client, server.vpn.ipv6);
    },
  },
]);
