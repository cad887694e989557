/**
 * `configure` and `linkUp`.
 */
import assert from "node:assert/strict";
import type { DcoInterface } from "../../../src/core/contract.ts";
import { group } from "../case.ts";
import { eventually, inTime, rejects } from "../expect.ts";
import { SYSTEM } from "../needs.ts";
import { Recorder } from "../recorder.ts";
import { assertReaches, connect, openEnd, openTunnel } from "../tunnel.ts";
import type { SystemInterface, World } from "../world.ts";

/** What the system says of the server's interface. */
async function seen(world: World, dco: DcoInterface): Promise<SystemInterface> {
  const found = await world.inspect(world.server, dco.name);
  assert.ok(found, `${dco.name} is there`);
  return found;
}

/** A metric, where routes have one. */
function metricOf(world: World, metric: number): { metric?: number } {
  return world.capabilities.routeMetric ? { metric } : {};
}

export const configureCases = group("configure", [
  {
    ...SYSTEM,
    name: "the interface has exactly the addresses that were given, IPv4 and IPv6",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      await dco.configure({ addresses: ["10.8.0.1/24", "10.9.0.1/16", "fd00:8::1/64"], up: true });
      assert.deepEqual((await seen(world, dco)).addresses, ["10.8.0.1/24", "10.9.0.1/16", "fd00:8::1/64"]);
      await world.addAddress(world.server, dco.name, "10.10.0.1/24");
      await dco.configure({ addresses: ["10.8.0.1/24", "fd00:8::2/64"] });
      assert.deepEqual((await seen(world, dco)).addresses, ["10.8.0.1/24", "fd00:8::2/64"]);
      await dco.configure({ addresses: ["10.8.0.1/30"] });
      assert.deepEqual(
        (await seen(world, dco)).addresses,
        ["10.8.0.1/30"],
        "another prefix is another address",
      );
      await dco.configure({ addresses: [] });
      assert.deepEqual((await seen(world, dco)).addresses, []);
    },
  },
  {
    ...SYSTEM,
    name: "MTU and up are applied, and what is left out stays as it is",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      await dco.configure({ addresses: ["10.8.0.1/24"], mtu: 1300, up: true, routes: ["10.20.0.0/16"] });
      await dco.configure({});
      const expected = { up: true, mtu: 1300, addresses: ["10.8.0.1/24"], routes: ["10.20.0.0/16"] };
      assert.deepEqual(await seen(world, dco), expected);
      await dco.configure({ mtu: 1400 });
      assert.deepEqual(await seen(world, dco), { ...expected, mtu: 1400 });
      await dco.configure({ up: false });
      assert.equal((await seen(world, dco)).up, false);
    },
  },
  {
    name: "the limits of the MTU in capabilities are the kernel's",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      const { min, max, default: normal } = world.capabilities.mtu;
      assert.equal((await seen(world, dco)).mtu, normal);
      for (const mtu of [min, max]) {
        await dco.configure({ mtu });
        assert.equal((await seen(world, dco)).mtu, mtu);
      }
    },
  },
  {
    ...SYSTEM,
    name: "configuring the same again changes nothing",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      const config = {
        addresses: ["10.8.0.1/24", "fd00:8::1/64"],
        mtu: 1400,
        up: true,
        routes: ["10.20.0.0/16", { destination: "fd00:20::/48", ...metricOf(world, 77) }],
      };
      await dco.configure(config);
      const first = await seen(world, dco);
      const events = new Recorder(dco);
      await dco.configure(config);
      await dco.configure(config);
      assert.deepEqual(await seen(world, dco), first);
      await dco.close();
      await events.done;
      assert.deepEqual(events.of("link"), [], "the link did not go down meanwhile");
    },
  },
  {
    ...SYSTEM,
    name: "routes are added, replaced and removed, with next hop and metric, IPv4 and IPv6",
    async run(world) {
      const metric = metricOf(world, 50);
      const shown = world.capabilities.routeMetric ? " metric 50" : "";
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      await dco.configure({
        addresses: ["10.8.0.1/24", "fd00:8::1/64"],
        up: true,
        routes: [
          "10.20.0.0/16",
          { destination: "10.21.0.0/16", via: "10.8.0.2", ...metric },
          { destination: "fd00:20::/48", via: "fd00:8::2" },
          "fd00:21::1",
        ],
      });
      assert.deepEqual((await seen(world, dco)).routes, [
        "10.20.0.0/16",
        `10.21.0.0/16 via 10.8.0.2${shown}`,
        "fd00:20::/48 via fd00:8::2",
        "fd00:21::1",
      ]);
      await dco.configure({
        routes: [{ destination: "10.21.0.0/16", via: "10.8.0.3", ...metric }, "fd00:21::1", "10.22.0.1"],
      });
      assert.deepEqual((await seen(world, dco)).routes, [
        `10.21.0.0/16 via 10.8.0.3${shown}`,
        "10.22.0.1",
        "fd00:21::1",
      ]);
      await dco.configure({ routes: [] });
      assert.deepEqual((await seen(world, dco)).routes, []);
    },
  },
  {
    ...SYSTEM,
    name: "routes that others made are left alone",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      await dco.configure({ addresses: ["10.8.0.1/24"], up: true });
      await world.addRoute(world.server, dco.name, "10.30.0.0/16");
      await dco.configure({ routes: ["10.20.0.0/16"] });
      await dco.configure({ routes: [] });
      assert.deepEqual((await seen(world, dco)).routes, ["10.30.0.0/16"]);
    },
  },
  {
    ...SYSTEM,
    name: "a route that was deleted by somebody else is no obstacle",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      await dco.configure({ addresses: ["10.8.0.1/24"], up: true, routes: ["10.20.0.0/16"] });
      await world.setUp(world.server, dco.name, false);
      await dco.configure({ routes: [] });
      await dco.configure({ up: true, routes: ["10.21.0.0/16"] });
      assert.deepEqual((await seen(world, dco)).routes, ["10.21.0.0/16"]);
    },
  },
  {
    ...SYSTEM,
    name: "routes that vanish with the link come back with it, whoever lowers and raises it",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      const routes = ["10.20.0.0/16", "fd00:20::/48"];
      await dco.configure({ addresses: ["10.8.0.1/24", "fd00:8::1/64"], up: true, routes });
      await dco.configure({ up: false });
      await dco.configure({ up: true });
      assert.deepEqual((await seen(world, dco)).routes, routes);
      await world.setUp(world.server, dco.name, false);
      await world.setUp(world.server, dco.name, true);
      await eventually(
        "the routes",
        async () => (await seen(world, dco)).routes,
        (now) => now.length === 2,
      );
    },
  },
  {
    name: "a tunnel carries packets as large as its MTU",
    async run(world) {
      const { server, client } = await openTunnel(world);
      for (const end of [server, client]) await end.dco.configure({ mtu: 9000 });
      // 20 bytes of IP header and 8 of ICMP.
      await assertReaches(world, client, server.vpn.ipv4, { size: 9000 - 28, count: 2 });
    },
  },
  {
    name: "linkUp resolves at once in multipeer mode when the interface is up",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      const waiting = dco.linkUp();
      await dco.configure({ up: true });
      await inTime(waiting, "linkUp that was asked for before");
      await inTime(dco.linkUp(), "linkUp of a link that is up");
    },
  },
  {
    name: "in p2p mode linkUp waits for the peer, where the link follows it",
    needs: ({ linkFollowsPeer }) => (linkFollowsPeer ? undefined : "the link does not follow the peer"),
    async run(world) {
      const server = await openEnd(world, world.server, { mode: "p2p", host: 1 });
      const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2 });
      let isUp = false;
      const waiting = server.dco.linkUp().then(() => {
        isUp = true;
      });
      const [listed] = await world.driver.listInterfaces(world.server.extras);
      assert.deepEqual([listed?.up, listed?.linkUp, isUp], [true, false, false]);
      await connect(server, client);
      await inTime(waiting, "linkUp");
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    name: "linkUp ends with aborted, and with closed",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      const controller = new AbortController();
      const aborted = dco.linkUp({ signal: controller.signal });
      const closed = dco.linkUp();
      controller.abort();
      await rejects(aborted, "aborted", { operation: "linkUp" });
      const both = rejects(closed, "closed", { operation: "linkUp" });
      await dco.close();
      await both;
      await rejects(dco.linkUp(), "closed", { effect: "none" });
    },
  },
  {
    name: "bypass keeps the way to the server outside the tunnel, or is unsupported",
    async run(world) {
      const { server, client } = await openTunnel(world);
      const config = { routes: ["0.0.0.0/0"], bypass: [server.site.ipv4] };
      if (!world.capabilities.bypassRoutes) {
        const call = client.dco.configure({ bypass: ["192.0.2.1"] });
        await rejects(call, "unsupported", { capability: "bypassRoutes" });
        return;
      }
      await client.dco.configure(config);
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
]);
