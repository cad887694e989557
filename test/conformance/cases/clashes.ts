/**
 * Addresses and routes beside those of others: what the kernel drops comes back, and what is not ours stays.
 */
import assert from "node:assert/strict";
import type { DcoInterface } from "../../../src/core/contract.ts";
import type { InterfaceConfig } from "../../../src/core/model.ts";
import { group } from "../case.ts";
import { checkError, eventually, rejects } from "../expect.ts";
import { ip, LINUX_INTERFACES, LINUX_ONLY } from "../linux/raw.ts";
import { Recorder } from "../recorder.ts";
import { openTunnel } from "../tunnel.ts";
import type { Site, SystemInterface, World } from "../world.ts";

const TO4 = "10.66.0.0/16";
const TO6 = "fd00:66::/48";
/** Somebody else's interface. */
const OTHER = "dk-other";

async function seen(world: World, dco: DcoInterface, site = world.server): Promise<SystemInterface> {
  const found = await world.inspect(site, dco.name);
  assert.ok(found, `${dco.name} is there`);
  return found;
}

/** What the system says of routes to a destination, as text. */
async function routesTo(site: Site, destination: string): Promise<string> {
  return (await ip(site, destination.includes(":") ? "-6" : "-4", "route", "show", destination)).trim();
}

/** An interface with addresses that is up, and another of somebody else's. */
async function openBoth(world: World, config: InterfaceConfig = {}): Promise<DcoInterface> {
  const dco = await world.createInterface(world.server, { mode: "multipeer" });
  await dco.configure({ addresses: ["10.8.0.1/24", "fd00:8::1/64"], up: true, ...config });
  await world.addOtherInterface(world.server, OTHER);
  await world.setUp(world.server, OTHER, true);
  return dco;
}

export const clashCases = group("configure", [
  {
    ...LINUX_INTERFACES,
    name: "addresses and routes that the kernel drops with the link are back when it is up, whoever did it",
    async run(world) {
      const dco = await openBoth(world, { routes: [TO4, { destination: TO6, via: "fd00:8::9" }] });
      const transport = await dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
      const vpn = { ipv4: "10.8.0.9", ipv6: "fd00:8::9" };
      const routes = ["10.77.0.0/24", "fd00:77::/64"];
      await dco.addPeer({ id: 1, transport, remote: "192.0.2.99:1194", vpn, routes });
      const before = await seen(world, dco);
      assert.equal(before.routes.length, 4);
      assert.equal(before.addresses.length, 2);
      const isBack = (now: SystemInterface) =>
        now.up && now.addresses.length === before.addresses.length && now.routes.length === 4;
      for (const how of ["configure", "system", "system, quickly"] as const) {
        if (how === "configure") await dco.configure({ up: false });
        else await world.setUp(world.server, dco.name, false);
        if (how !== "system, quickly") {
          const down = await seen(world, dco);
          assert.deepEqual(
            [down.addresses, down.routes],
            [["10.8.0.1/24"], []],
            "the kernel has dropped them",
          );
        }
        if (how === "configure") {
          await dco.configure({ up: true });
          assert.deepEqual(await seen(world, dco), before, "at once");
        } else {
          await world.setUp(world.server, dco.name, true);
          await eventually(how, () => seen(world, dco), isBack);
          assert.deepEqual(await seen(world, dco), before);
        }
      }
      // What was given up does not come back.
      await dco.configure({ addresses: ["10.8.0.1/24"], routes: [] });
      await world.setUp(world.server, dco.name, false);
      const events = new Recorder(dco);
      await world.setUp(world.server, dco.name, true);
      await events.next("link", ({ up }) => up);
      const after = await seen(world, dco);
      assert.deepEqual(after.addresses, ["10.8.0.1/24"]);
      assert.deepEqual(after.routes, [
        "10.77.0.0/24 via 10.8.0.9 metric 100",
        "fd00:77::/64 via fd00:8::9 metric 100",
      ]);
    },
  },
  {
    ...LINUX_INTERFACES,
    name: "routes outlive an exchange of all addresses, and an address the removal of its prefix's first one",
    async run(world) {
      const dco = await openBoth(world, { routes: [TO4, TO6] });
      const transport = await dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
      const vpn = { ipv4: "10.8.0.9" };
      const peer = { id: 1, transport, remote: "192.0.2.99:1194", vpn, routes: ["10.77.0.0/24"] };
      await dco.addPeer(peer);
      const { routes } = await seen(world, dco);
      assert.equal(routes.length, 3);
      await dco.configure({ addresses: ["10.9.0.1/24", "10.9.0.2/24", "fd00:9::1/64"] });
      assert.deepEqual((await seen(world, dco)).routes, routes);
      await dco.configure({ addresses: ["10.9.0.2/24", "10.9.0.3/24"] });
      const now = await seen(world, dco);
      assert.deepEqual(now.addresses, ["10.9.0.2/24", "10.9.0.3/24"]);
      assert.deepEqual(now.routes, routes);
    },
  },
  {
    ...LINUX_INTERFACES,
    name: "a route in the place of somebody else's is exists with its field, and nothing is changed",
    async run(world) {
      const dco = await openBoth(world, { routes: ["10.20.0.0/16"] });
      for (const destination of [TO4, TO6]) {
        for (const name of [OTHER, dco.name]) {
          await world.addRoute(world.server, name, destination);
          const theirs = await routesTo(world.server, destination);
          assert.match(theirs, new RegExp(name));
          const call = dco.configure({ routes: ["10.21.0.0/16", { destination }] });
          const error = await rejects(call, "exists", { field: "routes[1]", effect: "none" });
          assert.match(error.message, /^routes\[1\]: somebody else has a route to (10\.66|fd00:66)/);
          assert.equal(await routesTo(world.server, destination), theirs);
          assert.equal(await routesTo(world.server, "10.21.0.0/16"), "", "the others are taken back");
          assert.notEqual(await routesTo(world.server, "10.20.0.0/16"), "", "what was there is there");
          // Beside it there is room.
          await dco.configure({ routes: ["10.20.0.0/16", { destination, metric: 77 }] });
          assert.match(await routesTo(world.server, destination), /metric 77/);
          await dco.configure({ routes: ["10.20.0.0/16"] });
          assert.equal(await routesTo(world.server, destination), theirs, "only ours is gone");
          await ip(world.server, "route", "del", destination, "dev", name);
        }
      }
      const mixed = dco.configure({ mtu: 1300, routes: [TO4] });
      await mixed;
      await world.addRoute(world.server, OTHER, TO6);
      await rejects(dco.configure({ mtu: 1320, routes: [TO6] }), "exists", { effect: "unknown" });
      assert.equal((await seen(world, dco)).mtu, 1320);
    },
  },
  {
    ...LINUX_INTERFACES,
    name: "a peer's route in the place of somebody else's is exists: the peer is not added, or stays as it was",
    async run(world) {
      const { server } = await openTunnel(world);
      const { dco, transport, site } = server;
      await world.addOtherInterface(site, OTHER);
      await world.setUp(site, OTHER, true);
      await ip(site, "route", "add", TO4, "dev", OTHER, "metric", "100");
      const theirs = await routesTo(site, TO4);
      const peer = { id: 9, transport, remote: "192.0.2.99:1194", vpn: { ipv4: "10.8.0.9" } };
      const both = ["10.77.0.0/24", TO4];
      await rejects(dco.addPeer({ ...peer, routes: both }), "exists", { field: "routes[1]", effect: "none" });
      const [item] = await dco.addPeers([{ ...peer, routes: both }]);
      assert.ok(item?.ok === false);
      checkError(item.error, "exists", { field: "routes[1]", effect: "none" });
      assert.deepEqual(
        (await dco.peers()).map(({ id }) => id),
        [1],
      );
      await dco.setPeer(1, { routes: ["10.78.0.0/24"] });
      await rejects(dco.setPeer(1, { routes: both }), "exists", { field: "routes[1]", effect: "none" });
      assert.equal(await routesTo(site, TO4), theirs);
      assert.deepEqual((await seen(world, dco)).routes, ["10.78.0.0/24 via 10.8.0.2 metric 100"]);
      // The id and the prefix are free for others.
      await dco.addPeer({ ...peer, routes: ["10.77.0.0/24"] });
      await dco.removePeer(9);
      await dco.removePeer(1);
      assert.deepEqual((await seen(world, dco)).routes, []);
      assert.deepEqual(server.events.of("unknown"), []);
    },
  },
  {
    ...LINUX_INTERFACES,
    name: "only our own routes are removed, not others that look like them",
    async run(world) {
      const dco = await openBoth(world, { routes: [TO4, TO6, "10.8.0.0/24"] });
      const { server } = world;
      for (const destination of [TO4, TO6]) {
        await ip(server, "route", "del", destination, "dev", dco.name);
        await ip(server, "route", "add", destination, "dev", dco.name, "metric", "2000", "proto", "static");
      }
      const theirs = [await routesTo(server, TO4), await routesTo(server, TO6)];
      const connected = await routesTo(server, "10.8.0.0/24");
      await dco.configure({ routes: [] });
      assert.deepEqual([await routesTo(server, TO4), await routesTo(server, TO6)], theirs);
      assert.equal(
        await routesTo(server, "10.8.0.0/24"),
        connected,
        "the address's own route is the kernel's",
      );
      assert.match(connected, /proto kernel/);
    },
  },
  {
    ...LINUX_INTERFACES,
    name: "a route that somebody puts in the place of ours while the link is down stays, and that is told",
    async run(world) {
      const dco = await openBoth(world, { routes: [TO4, "10.67.0.0/16"] });
      await world.setUp(world.server, dco.name, false);
      await world.addRoute(world.server, OTHER, TO4);
      const theirs = await routesTo(world.server, TO4);
      const events = new Recorder(dco);
      await world.setUp(world.server, dco.name, true);
      const { detail } = await events.next("unknown");
      assert.match(detail, /routes\[0\]: somebody else has a route to 10\.66/);
      assert.equal(await routesTo(world.server, TO4), theirs);
      assert.notEqual(await routesTo(world.server, "10.67.0.0/16"), "", "the other is back");
      await rejects(dco.configure({ up: true }), "exists", { field: "routes[0]" });
    },
  },
  {
    ...LINUX_ONLY,
    name: "an owner who adopts takes over the routes of the one before him, by asking for the same",
    async run(world) {
      const dco = await openBoth(world, { routes: [TO4, { destination: TO6, via: "fd00:8::9", metric: 5 }] });
      const before = await seen(world, dco);
      const second = await (await world.openDriver()).adoptInterface(dco.name, world.server.extras);
      await second.configure({ routes: [TO4, { destination: TO6, via: "fd00:8::9", metric: 5 }] });
      assert.deepEqual(await seen(world, dco), before);
      await second.configure({ routes: [] });
      assert.deepEqual((await seen(world, dco)).routes, []);
    },
  },
  {
    ...LINUX_INTERFACES,
    name: "two interfaces that bypass the same address do not take it from each other; others' routes stay",
    async run(world) {
      const site = world.server;
      const far = "198.51.100.9";
      await world.addOtherInterface(site, OTHER);
      await world.addAddress(site, OTHER, "192.0.2.200/32");
      await world.setUp(site, OTHER, true);
      await world.addRoute(site, OTHER, "198.51.100.0/24");
      const one = await world.createInterface(site, { mode: "p2p" });
      const two = await world.createInterface(site, { mode: "p2p" });
      await ip(site, "route", "add", far, "dev", OTHER, "metric", "5000", "proto", "static");
      const theirs = await routesTo(site, far);
      for (const dco of [one, two]) await dco.configure({ bypass: [far] });
      const count = async () => (await routesTo(site, far)).split("\n").length;
      assert.equal(await count(), 3);
      await one.close();
      assert.equal(await count(), 2, "the other's stays");
      // The kernel drops it with the interface that it is on.
      await world.setUp(site, OTHER, false);
      assert.equal(await routesTo(site, far), "");
      await world.setUp(site, OTHER, true);
      await eventually(
        "the bypass",
        () => routesTo(site, far),
        (routes) => routes !== "",
      );
      await two.configure({ bypass: [] });
      assert.equal(await routesTo(site, far), "");
      await world.addRoute(site, OTHER, "198.51.100.0/24");
      await ip(site, "route", "add", far, "dev", OTHER, "metric", "5000", "proto", "static");
      await two.configure({ bypass: [far] });
      await ip(site, "route", "del", far, "dev", OTHER, "metric", `${two.index}`);
      await two.close();
      assert.equal(await routesTo(site, far), theirs);
    },
  },
]);
