/**
 * Linux network namespaces: interface and transports in places of choice, and whose event is whose.
 */
import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import type { DcoInterface, Transport } from "../../../src/core/contract.ts";
import type { NamespaceInput } from "../../../src/netlink/namespace.ts";
import { group } from "../case.ts";
import { rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { run } from "../linux/command.ts";
import { Descriptors, interfacesOf, ip, kindOf, LINUX_ONLY, namespaceOf } from "../linux/raw.ts";
import { controlPacket, expectPacket } from "../packets.ts";
import { Recorder } from "../recorder.ts";
import { assertReaches, connect, type End, openEnd, reachable, vpnOf } from "../tunnel.ts";
import type { Site, World } from "../world.ts";

const NOWHERE = "192.0.2.250:1194";
/** Far above what the kernel gives by itself. */
const INDEX = 7000;

/** Every way to name a site's namespace. */
function waysTo(world: World, site: Site): readonly [what: string, namespace: NamespaceInput][] {
  const path = `/run/netns/${namespaceOf(site)}`;
  const fd = openSync(path, "r");
  world.onClose(() => closeSync(fd));
  return [
    ["name", namespaceOf(site)],
    ["path", path],
    ["descriptor", fd],
  ];
}

/** A p2p interface of that number, made by the system's own program and adopted. */
async function numbered(world: World, site: Site, name: string): Promise<DcoInterface> {
  await ip(site, "link", "add", name, "index", `${INDEX}`, "type", kindOf(world));
  world.onClose(() => ip(site, "link", "del", name).catch(() => {}));
  return world.driver.adoptInterface(name, site.extras);
}

interface Watched {
  readonly what: string;
  readonly dco: DcoInterface;
  readonly events: Recorder;
  readonly transport: Transport;
}

export const namespaceCases = group("namespaces", [
  {
    ...LINUX_ONLY,
    name: "an interface and its transport are wherever name, path or descriptor say",
    async run(world) {
      const [first, second] = world.clients;
      for (const [at, [what, namespace]] of waysTo(world, first).entries()) {
        const options = { mode: "multipeer", namespace } as const;
        const dco = await world.driver.createInterface(options as never);
        assert.deepEqual(await interfacesOf(first, kindOf(world)), [dco.name], what);
        assert.equal((await world.driver.listInterfaces({ namespace } as never)).length, 1);
        const [, there] = waysTo(world, second)[at] as [string, NamespaceInput];
        const local = `${second.ipv4}:0`;
        const transport = await dco.openTransport({ protocol: "udp", local, namespace: there } as never);
        const events = new Recorder(dco);
        await dco.addPeer({ id: 1, transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.9" } });
        await dco.removePeer(1);
        assert.equal((await events.next("peer-deleted")).reason, "requested");
        await dco.close();
        assert.deepEqual(await interfacesOf(first, kindOf(world)), [], what);
      }
    },
  },
  {
    ...LINUX_ONLY,
    name: "a listener in another namespace than its interface yields transports there, with their events",
    needs: (capabilities) =>
      LINUX_ONLY.needs(capabilities) ?? (capabilities.listeners.includes("tcp") ? undefined : "no listeners"),
    async run(world) {
      const [elsewhere, client] = world.clients;
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      const events = new Recorder(dco);
      const local = { address: elsewhere.ipv4, port: 0 };
      const listener = await dco.listen({ protocol: "tcp", local, ...elsewhere.extras } as never);
      const other = await world.createInterface(client, { mode: "p2p" });
      const remote = listener.local;
      const connected = await other.openTransport({ protocol: "tcp", remote });
      const { value: transport } = await listener[Symbol.asyncIterator]().next();
      const packet = controlPacket();
      await connected.send(packet);
      await expectPacket(transport as Transport, packet);
      await dco.addPeer({ id: 1, transport: transport as Transport, vpn: { ipv4: "10.8.0.9" } });
      await dco.removePeer(1);
      assert.equal((await events.next("peer-deleted")).reason, "requested");
    },
  },
  {
    ...LINUX_ONLY,
    name: "one interface with transports in three namespaces tells of the peers of each, once",
    async run(world) {
      const sites = [world.server, world.clients[1], world.clients[2]] as const;
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const ends: End[] = [server];
      for (const site of sites.slice(1)) {
        const options = { protocol: "udp", local: `${site.ipv4}:1194`, ...site.extras } as const;
        ends.push({ ...server, site, transport: await server.dco.openTransport(options) });
      }
      const { clients } = world;
      for (const [at, site] of [clients[0], clients[2], clients[1]].entries()) {
        const client = await openEnd(world, site, { mode: "p2p", host: at + 2 });
        await connect(ends[at] as End, client, { id: at + 1 });
        await assertReaches(world, client, server.vpn.ipv4);
      }
      const [, second, third] = ends as [End, End, End];
      await server.dco.setPeer(1, { keepalive: { interval: 1, timeout: 2 } });
      assert.deepEqual(await reasonOf(server, 1), "expired");
      const keepalive = { interval: 1, timeout: 2 };
      await server.dco.setPeer(2, { keepalive });
      assert.deepEqual(await reasonOf(server, 2), "expired");
      await third.transport.close();
      assert.deepEqual(await reasonOf(server, 3), "transport-closed");
      await second.transport.close();
      await server.dco.close();
      await server.events.done;
      assert.equal(server.events.of("peer-deleted").length, 3);
    },
  },
  {
    ...LINUX_ONLY,
    name: "interfaces and transports that cross three namespaces, with one number and one peer id, keep their events apart",
    timeoutMs: 120_000,
    async run(world) {
      const sites = [world.server, world.clients[1], world.clients[2]] as const;
      const ends: Watched[] = [];
      for (const [at, site] of sites.entries()) {
        const dco = await numbered(world, site, `dk-n${at}`);
        assert.equal(dco.index, INDEX);
        // Each interface's transport is in the next one's namespace.
        const there = sites[(at + 1) % sites.length] as Site;
        const options = { protocol: "udp", local: `${there.ipv4}:0`, ...there.extras } as const;
        const transport = await dco.openTransport(options);
        ends.push({ what: `interface ${at}`, dco, events: new Recorder(dco), transport });
      }
      // And in two namespaces there are transports of two interfaces.
      const [first] = ends as [Watched];
      const home = await first.dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
      const all = [...ends, { ...first, what: "interface 0 at home", transport: home }];
      const expected = new Map<Recorder, string[]>();
      for (const [turn, ending] of all.entries()) {
        for (const how of ["requested", "expired"] as const) {
          for (const end of new Set([ending, ...ends.filter(({ dco }) => dco !== ending.dco)])) {
            await end.dco.addPeer({ id: 1, transport: end.transport, remote: NOWHERE });
          }
          if (how === "expired") {
            await ending.dco.setPeer(1, { keepalive: { interval: 1, timeout: 2 } });
            await ending.dco.installKey(1, freshKey());
          } else await ending.dco.removePeer(1);
          assert.equal((await ending.events.next("peer-deleted")).reason, how, `${turn}: ${ending.what}`);
          for (const { dco, events, what } of ends) {
            const told = expected.get(events) ?? [];
            expected.set(events, told);
            if (dco === ending.dco) told.push(how);
            else {
              assert.equal((await dco.peers()).length, 1, `the peer of ${what} is there`);
              await dco.removePeer(1);
              assert.equal((await events.next("peer-deleted")).reason, "requested");
              told.push("requested");
            }
          }
        }
      }
      for (const { dco, events } of ends) {
        await dco.close();
        await events.done;
        assert.deepEqual(
          events.of("peer-deleted").map(({ reason }) => reason),
          expected.get(events),
        );
        assert.deepEqual(events.of("peer-floated"), []);
      }
    },
  },
  {
    ...LINUX_ONLY,
    name: "a float is told to the interface whose peer it was, not to another of the same number and peer id",
    needs: (capabilities) =>
      LINUX_ONLY.needs(capabilities) ?? (capabilities.floatEvent === "none" ? "no floats" : undefined),
    async run(world) {
      const shared = world.clients[2];
      const servers: End[] = [];
      for (const [at, site] of [world.server, shared].entries()) {
        const dco = await numbered(world, site, `dk-f${at}`);
        const vpn = vpnOf(1);
        await dco.configure({ addresses: [`${vpn.ipv4}/24`], up: true });
        const local = { address: shared.ipv4, port: 1194 + at };
        const transport = await dco.openTransport({ protocol: "udp", local, ...shared.extras });
        servers.push({ site: shared, dco, vpn, transport, events: new Recorder(dco) });
      }
      const clients: End[] = [];
      for (const [at, server] of servers.entries()) {
        const site = world.clients[at] as Site;
        const transport = { local: { address: "0.0.0.0", port: 0 } };
        const client = await openEnd(world, site, { mode: "p2p", host: 2, transport });
        await connect(server, client);
        await assertReaches(world, client, server.vpn.ipv4);
        clients.push(client);
      }
      for (const [at, client] of clients.entries()) {
        const [server, other] = at === 0 ? servers : servers.toReversed();
        const moved = await world.moveAddress(client.site);
        await assertReaches(world, client, vpnOf(1).ipv4);
        const { remote } = await (server as End).events.next("peer-floated");
        assert.equal(remote.address, moved.ipv4);
        assert.deepEqual((await (server as End).dco.peer(1)).remote, remote);
        const theirs = (other as End).events.of("peer-floated").map((event) => event.remote.address);
        assert.ok(!theirs.includes(moved.ipv4), "the other is not told of it");
      }
    },
  },
  {
    ...LINUX_ONLY,
    name: "an adopted socket of another namespace than its interface's has its events followed where it lives",
    async run(world) {
      const [elsewhere, client] = world.clients;
      const socket = await world.openSocket(elsewhere, 4);
      const server = await openEnd(world, world.server, {
        mode: "multipeer",
        host: 1,
        transport: { adopt: { fd: socket.fd } },
      });
      const away = { ...server, site: elsewhere };
      const end = await openEnd(world, client, { mode: "p2p", host: 2 });
      await connect(away, end);
      await assertReaches(world, end, server.vpn.ipv4);
      await server.dco.setPeer(1, { keepalive: { interval: 1, timeout: 2 } });
      await end.dco.close();
      assert.equal((await server.events.next("peer-deleted")).reason, "expired");

      // Saying where it lives is allowed, if it is true.
      const adopt = { fd: socket.fd };
      await server.transport.close();
      const again = await server.dco.openTransport({ protocol: "udp", adopt, ...elsewhere.extras });
      await again.close();
      const wrong = server.dco.openTransport({ protocol: "udp", adopt, ...client.extras });
      await rejects(wrong, "invalid", { field: "namespace", effect: "none" });
      assert.equal(socket.isOpen(), true);
    },
  },
  {
    ...LINUX_ONLY,
    name: "a namespace that is deleted while it is in use goes on working, and is gone when the last user closes",
    async run(world) {
      const name = `dcokit-${process.pid}-gone`;
      await run("ip", ["netns", "add", name]);
      world.onClose(() => run("ip", ["netns", "del", name]).catch(() => {}));
      const { driver, server } = world;
      const dco = await driver.createInterface({ mode: "multipeer", namespace: name } as never);
      world.onClose(() => dco.close());
      const away = await openEnd(world, server, { mode: "multipeer", host: 1 });
      const local = "127.0.0.1:0";
      await run("ip", ["-n", name, "link", "set", "lo", "up"]);
      const inside = await away.dco.openTransport({ protocol: "udp", local, namespace: name } as never);
      const own = await dco.openTransport({ protocol: "udp", local });
      const peer = (transport: Transport) => ({
        id: 1,
        transport,
        remote: "127.0.0.1:9",
        vpn: { ipv4: "10.8.0.9" },
      });
      await away.dco.addPeer(peer(inside));
      await run("ip", ["netns", "del", name]);

      const events = new Recorder(dco);
      await dco.addPeer(peer(own));
      await dco.configure({ addresses: ["10.8.0.1/24"], up: true, routes: ["10.66.0.0/16"] });
      await events.next("link", ({ up }) => up);
      const packet = controlPacket();
      await own.send(packet, { to: reachable(server, inside) });
      await expectPacket(inside, packet);
      for (const [each, told] of [
        [dco, events],
        [away.dco, away.events],
      ] as const) {
        await each.setPeer(1, { keepalive: { interval: 1, timeout: 2 } });
        await each.installKey(1, freshKey());
        assert.equal((await told.next("peer-deleted")).reason, "expired");
      }
      await rejects(driver.createInterface({ mode: "p2p", namespace: name } as never), "not-found", {
        field: "namespace",
      });
      await inside.close();
      await dco.close();
      assert.equal(own.closed, true);
      await events.done;
      // The other interface has lost nothing.
      const transport = await away.dco.openTransport({ protocol: "udp", local: `${server.ipv4}:0` });
      await away.dco.addPeer({ ...peer(transport), vpn: vpnOf(2) });
    },
  },
  {
    ...LINUX_ONLY,
    name: "an interface that is moved to another namespace is gone for its owner, who closes",
    async run(world) {
      const [elsewhere] = world.clients;
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const { dco, events, transport } = server;
      await dco.addPeer({ id: 1, transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.9" } });
      await ip(world.server, "link", "set", dco.name, "netns", namespaceOf(elsewhere));
      await events.next("interface-removed");
      await events.next("closed");
      assert.equal(dco.closed, true);
      assert.equal(events.of("peer-deleted").length, 1);
      // It lives on there, and is whoever's.
      assert.deepEqual(await interfacesOf(elsewhere, kindOf(world)), [dco.name]);
      await world.driver.deleteInterface(dco.name, elsewhere.extras);
    },
  },
  {
    ...LINUX_ONLY,
    name: "a namespace that cannot be opened is one error that names namespace, and nothing waits",
    async run(world) {
      const pipe = `/tmp/dcokit-${process.pid}-pipe`;
      await run("mkfifo", [pipe]);
      world.onClose(() => run("rm", ["-f", pipe]));
      const { driver } = world;
      for (const [namespace, code] of [
        [pipe, "invalid"],
        ["/dev/null", "invalid"],
        [new Descriptors(world).ofThisProcess(), "invalid"],
        ["/etc/passwd/x", "system"],
        [`/${"x".repeat(300)}`, "system"],
      ] as const) {
        const call = driver.createInterface({ mode: "p2p", namespace } as never);
        const error = await call.then(
          () => assert.fail("was created"),
          (reason) => reason,
        );
        assert.deepEqual(
          [error.field, error.effect],
          ["namespace", "none"],
          `${namespace}: ${error.message}`,
        );
        if (code === "invalid") assert.equal(error.code, code);
      }
    },
  },
]);

/** Why a peer ended. */
async function reasonOf(end: End, peer: number): Promise<string> {
  return (await end.events.next("peer-deleted", (event) => event.peer === peer)).reason;
}
