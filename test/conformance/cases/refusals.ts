/**
 * What the kernel refuses: each with its code, and a sentence that says what is wrong.
 */
import assert from "node:assert/strict";
import { DcoError } from "../../../src/core/errors.ts";
import { type Case, group } from "../case.ts";
import { rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { ip, LINUX_ONLY, namespaceOf } from "../linux/raw.ts";
import { controlPacket } from "../packets.ts";
import { nowhere, openEnd } from "../tunnel.ts";

const NOWHERE = "192.0.2.99:1194";
/** TEST-NET-3: no route of a site leads there. */
const UNREACHABLE = "203.0.113.1:1194";

const twoDrivers: Pick<Case, "needs"> = {
  needs: ({ adoptInterface }) => (adoptInterface ? undefined : "the driver adopts no interface"),
};

export const refusalCases: Case[] = group("refusals", [
  {
    needs: (capabilities, sites) =>
      twoDrivers.needs?.(capabilities, sites) ??
      (capabilities.maxTransports > 1 ? undefined : "the peers of an interface share one socket"),
    name: "a peer that somebody else added is exists, with the kernel's errno and text",
    async run(world) {
      const { dco, transport } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const other = await (await world.openDriver()).adoptInterface(dco.name, world.server.extras);
      const theirs = await other.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
      const peer = { id: 5, remote: NOWHERE, vpn: { ipv4: "10.8.0.5" } };
      await other.addPeer({ ...peer, transport: theirs });
      const error = await rejects(dco.addPeer({ ...peer, vpn: { ipv4: "10.8.0.6" }, transport }), "exists", {
        operation: "addPeer",
        effect: "none",
      });
      assert.equal(error.target, "peer 5");
      assert.equal(error.native?.name, "EEXIST");
      if (world.capabilities.errorText) assert.match(error.kernelMessage?.text ?? "", /peer/);
      await rejects(dco.removePeer(5), "not-found", { effect: "none" });
      assert.deepEqual(
        (await other.peers()).map(({ id }) => id),
        [5],
        "it is still the other's",
      );
      // The refused one left nothing of itself: it can be added elsewhere.
      await dco.addPeer({ ...peer, id: 6, vpn: { ipv4: "10.8.0.6" }, transport });
      assert.deepEqual(
        (await dco.peers()).map(({ id }) => id),
        [6],
      );
    },
  },
  {
    ...twoDrivers,
    name: "a peer that somebody else removed is not-found, for every verb, also before its event came",
    async run(world) {
      const { dco, transport, events } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const ids = [1, 2, 3, 4, 5, 6];
      for (const id of ids) {
        await dco.addPeer({ id, transport, remote: NOWHERE, vpn: { ipv4: `10.8.0.${id + 10}` } });
        await dco.installKey(id, freshKey());
        await dco.installKey(id, freshKey(1, "secondary"));
      }
      const other = await (await world.openDriver()).adoptInterface(dco.name, world.server.extras);
      const verbs = [
        (id: number) => dco.setPeer(id, { keepalive: { interval: 20, timeout: 120 } }),
        (id: number) => dco.removePeer(id),
        (id: number) => dco.peer(id),
        (id: number) => dco.installKey(id, freshKey(2)),
        (id: number) => dco.swapKeys(id),
        (id: number) => dco.keys(id),
      ];
      for (const [at, verb] of verbs.entries()) {
        const id = ids[at] as number;
        await other.removePeer(id);
        const error = await rejects(verb(id), "not-found");
        assert.equal(error.target, `peer ${id}`);
        const told = await events.next("peer-deleted", (event) => event.peer === id);
        assert.equal(told.reason, "external");
      }
      assert.deepEqual(await dco.peers(), []);
      await dco.close();
      await events.done;
      assert.equal(events.of("peer-deleted").length, ids.length, "each ended once");
    },
  },
  {
    name: "a VPN address of another peer is refused with exists, or given to the later one; never half",
    async run(world) {
      const { dco, transport } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const vpn = { ipv4: "10.8.0.9", ipv6: "fd00:8::9" };
      await dco.addPeer({ id: 1, transport, remote: NOWHERE, vpn });
      const error = await dco.addPeer({ id: 2, transport, remote: NOWHERE, vpn }).catch((error) => error);
      const ids = (await dco.peers()).map(({ id }) => id);
      if (!(error instanceof Error)) {
        assert.deepEqual(ids, [1, 2]);
        return;
      }
      assert.ok(DcoError.is(error) && error.code === "exists", String(error));
      assert.match(error.message, /VPN address/);
      assert.deepEqual(ids, [1]);
      // What was refused did not take the other address away.
      await dco.addPeer({ id: 2, transport, remote: nowhere(2), vpn: { ipv4: "10.8.0.10" } });
    },
  },
  {
    ...LINUX_ONLY,
    name: "a VPN address of another peer is exists, whatever the kernel says: for a new peer, in bulk, in a replacement, by setPeer",
    async run(world) {
      const { dco, transport } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const vpnOf = (n: number) => ({ ipv4: `10.8.0.${n}`, ipv6: `fd00:8::${n}` });
      const peer = (id: number, vpn: { ipv4?: string; ipv6?: string }) => ({
        ...{ id, transport, vpn, remote: nowhere(id) },
      });
      for (const id of [1, 2]) await dco.addPeer(peer(id, vpnOf(id + 10)));
      const clashes = [
        { ipv4: "10.8.0.12" },
        { ipv6: "fd00:8::12" },
        { ipv4: "10.8.0.99", ipv6: "fd00:8::12" },
      ];
      for (const vpn of clashes) await rejects(dco.addPeer(peer(3, vpn)), "exists", { operation: "addPeer" });
      const bulk = await dco.addPeers([3, 4, 5].map((id) => peer(id, vpnOf(id === 4 ? 12 : id + 10))));
      const codes = bulk.map((result) => (result.ok ? "ok" : (result.error as DcoError).code));
      assert.deepEqual(codes, ["ok", "exists", "ok"]);
      await rejects(dco.addPeer({ ...peer(5, { ipv6: "fd00:8::13" }), replace: true }), "exists");
      if (world.capabilities.setVpn) {
        for (const vpn of clashes) await rejects(dco.setPeer(1, { vpn }), "exists", { operation: "setPeer" });
        await dco.setPeer(1, { vpn: { ipv6: "fd00:8::21" } });
        // What it had is free, and what it kept is not.
        await rejects(dco.addPeer(peer(6, { ipv4: "10.8.0.11" })), "exists");
        await dco.addPeer(peer(6, { ipv6: "fd00:8::11" }));
      }
      await dco.removePeer(2);
      await dco.addPeer(peer(7, vpnOf(12)));
    },
  },
  {
    ...LINUX_ONLY,
    name: "an address in use is busy and named, whoever uses it; one of another host is socket",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      const theirs = await world.openSocket(world.server, 4);
      const { address, port } = theirs.local;
      const taken = { address, port };
      const listener = await dco.listen({ protocol: "tcp", local: { address, port: 0 } });
      const where = (text: string) => ({ message: new RegExp(text.replaceAll(".", "\\.")) });
      const calls: readonly [call: () => Promise<unknown>, text: string][] = [
        [() => dco.openTransport({ protocol: "udp", local: taken }), `${address}:${port}`],
        [() => dco.listen({ protocol: "tcp", local: listener.local }), `${address}:${listener.local.port}`],
        [() => dco.openTransport({ protocol: "udp", local: `[::]:${port}` }), `\\[::\\]:${port}`],
      ];
      for (const [call, text] of calls) {
        const error = await rejects(call, "busy", { effect: "none", ...where(text) });
        assert.equal(error.native?.name, "EADDRINUSE");
      }
      const elsewhere = await rejects(
        dco.openTransport({ protocol: "udp", local: `${world.clients[0].ipv4}:0` }),
        "socket",
        { effect: "none", ...where(world.clients[0].ipv4) },
      );
      assert.equal(elsewhere.native?.name, "EADDRNOTAVAIL");
      await listener.close();
    },
  },
  {
    ...LINUX_ONLY,
    name: "an unreachable network is socket: a packet, and a connection; and the transport goes on",
    async run(world) {
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const { dco, transport } = server;
      const error = await rejects(transport.send(controlPacket(), { to: UNREACHABLE }), "socket", {
        operation: "send",
        message: /203\.0\.113\.1/,
      });
      assert.equal(error.native?.name, "ENETUNREACH");
      const connecting = dco.openTransport({ protocol: "tcp", remote: UNREACHABLE });
      const refused = await rejects(connecting, "socket", { operation: "openTransport" });
      assert.equal(refused.native?.name, "ENETUNREACH");
      // The kernel takes such a peer: it has no route yet.
      await dco.addPeer({ id: 1, transport, remote: UNREACHABLE, vpn: { ipv4: "10.8.0.9" } });
      await rejects(transport.send(controlPacket(), { peer: 1 }), "socket");
      assert.equal(transport.closed, false);
      const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2 });
      const packet = controlPacket();
      await transport.send(packet, { to: client.transport.local as { address: string; port: number } });
      const { value } = await client.transport.packets().next();
      assert.deepEqual(Buffer.from(value?.data ?? []), Buffer.from(packet));
    },
  },
  {
    ...LINUX_ONLY,
    name: "a connection that is refused is socket, and names the address",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      const remote = `${world.clients[0].ipv4}:9`;
      const error = await rejects(dco.openTransport({ protocol: "tcp", remote }), "socket", {
        message: new RegExp(world.clients[0].ipv4.replaceAll(".", "\\.")),
      });
      assert.equal(error.native?.name, "ECONNREFUSED");
    },
  },
  {
    ...LINUX_ONLY,
    name: "an interface of another kind is refused by name: it is not created over, adopted, or deleted",
    async run(world) {
      const { driver, server } = world;
      await ip(server, "link", "add", "dk-dummy", "type", "dummy");
      world.onClose(() => ip(server, "link", "del", "dk-dummy"));
      const before = await ip(server, "-j", "link", "show", "dk-dummy");
      const { extras } = server;
      const create = (name: string, onExisting: "fail" | "adopt" | "replace") =>
        driver.createInterface({ mode: "p2p", name, onExisting, ...extras });
      // Loopback has no kind at all.
      for (const [name, kind] of [
        ["dk-dummy", "dummy"],
        ["lo", "none"],
      ] as const) {
        const message = new RegExp(`${name}.*${kind}`);
        await rejects(create(name, "fail"), "exists", { effect: "none", message });
        const calls = [
          create(name, "adopt"),
          create(name, "replace"),
          driver.adoptInterface(name, extras),
          driver.adoptInterface(name, { role: "observer", ...extras }),
          driver.deleteInterface(name, extras),
        ];
        for (const call of calls) await rejects(call, "invalid", { field: "name", effect: "none", message });
      }
      assert.equal(await ip(server, "-j", "link", "show", "dk-dummy"), before);
      assert.deepEqual(await driver.listInterfaces(extras), []);
    },
  },
  {
    ...LINUX_ONLY,
    name: "a namespace that does not exist is not-found, and what is no namespace is invalid, for every verb",
    async run(world) {
      const { driver, server } = world;
      const dco = await world.createInterface(server, { mode: "p2p" });
      const bad: readonly [namespace: string | number, code: "not-found" | "invalid"][] = [
        ["dcokit-no-such", "not-found"],
        ["/proc/1/ns/no-such", "not-found"],
        ["/proc/self/ns/mnt", "invalid"],
        ["/proc/self/status", "invalid"],
        ["/", "invalid"],
        [99_999, "invalid"],
        ["", "invalid"],
        ["a/b", "invalid"],
        ["..", "invalid"],
        [-1, "invalid"],
        [0.5, "invalid"],
      ];
      for (const [namespace, code] of bad) {
        const verbs: Record<string, () => Promise<unknown>> = {
          createInterface: () => driver.createInterface({ mode: "p2p", namespace } as never),
          adoptInterface: () => driver.adoptInterface(dco.name, { namespace } as never),
          listInterfaces: () => driver.listInterfaces({ namespace } as never),
          deleteInterface: () => driver.deleteInterface(dco.name, { namespace } as never),
          cleanUp: () => driver.cleanUp({ namespace } as never),
          openTransport: () =>
            dco.openTransport({ protocol: "udp", local: "192.0.2.1:0", namespace } as never),
          listen: () => dco.listen({ protocol: "tcp", local: "192.0.2.1:0", namespace } as never),
        };
        for (const [operation, verb] of Object.entries(verbs)) {
          await rejects(verb, code, { operation, field: "namespace", message: /^namespace: / });
        }
      }
      assert.equal((await driver.listInterfaces(server.extras)).length, 1);
      assert.ok(namespaceOf(server));
    },
  },
]);
