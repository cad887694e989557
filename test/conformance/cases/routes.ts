/**
 * Routes: what is behind a peer, and what must stay outside the tunnel.
 */
import assert from "node:assert/strict";
import { group } from "../case.ts";
import { checkError, rejects } from "../expect.ts";
import { SYSTEM } from "../needs.ts";
import { assertReaches, type End, openTunnel } from "../tunnel.ts";
import type { World } from "../world.ts";

const BEHIND4 = "10.77.0.0/24";
const BEHIND6 = "fd00:77::/64";

const peerRoutes = ({ peerRoutes: can }: World["capabilities"]) =>
  can ? undefined : "the driver has no routes of peers";

/** Addresses behind a client: on its own interface, whatever the server thinks of it. */
async function putBehind(world: World, client: End, last: number): Promise<[string, string]> {
  const [ipv4, ipv6] = [`10.77.0.${last}`, `fd00:77::${last}`];
  await world.addAddress(client.site, client.dco.name, `${ipv4}/32`);
  await world.addAddress(client.site, client.dco.name, `${ipv6}/128`);
  return [ipv4, ipv6];
}

/** As the system has them, where the interface is one of its. */
async function assertRoutes(world: World, end: End, expected: readonly string[]): Promise<void> {
  if (world.capabilities.systemInterface) assert.deepEqual(await routesOf(world, end), expected);
}

async function routesOf(world: World, end: End): Promise<string[]> {
  const routes = (await world.inspect(end.site, end.dco.name))?.routes ?? [];
  return routes.map((route) => route.split(" ")[0] as string).sort();
}

export const routeCases = group("routes", [
  {
    name: "what is behind a peer is reached through it, IPv4 and IPv6",
    needs: peerRoutes,
    async run(world) {
      const server = { routes: [BEHIND4, BEHIND6] };
      const { server: at, client } = await openTunnel(world, { server });
      for (const address of await putBehind(world, client, 1)) await assertReaches(world, at, address);
      await assertRoutes(world, at, [BEHIND4, BEHIND6]);
    },
  },
  {
    name: "another peer's VPN address as a prefix is exists, and so is a VPN address that is behind another peer",
    needs: peerRoutes,
    async run(world) {
      const { server, client } = await openTunnel(world);
      const { dco, transport } = server;
      const peer = (id: number, ipv4: string) => ({
        id,
        transport,
        remote: "192.0.2.99:1194",
        vpn: { ipv4 },
      });
      const routes = [`${client.vpn.ipv4}/32`];
      await rejects(dco.addPeer({ ...peer(2, "10.8.0.99"), routes }), "exists", { field: "routes" });
      await dco.addPeer({ ...peer(2, "10.8.0.99"), routes: ["10.8.0.77"] });
      await rejects(dco.setPeer(2, { routes }), "exists", { field: "routes", effect: "none" });
      await rejects(dco.addPeer(peer(3, "10.8.0.77")), "exists", { field: "vpn", effect: "none" });
      const [bulk] = await dco.addPeers([peer(3, "10.8.0.77")]);
      assert.ok(bulk && !bulk.ok);
      checkError(bulk.error, "exists", { field: "vpn" });
      if (world.capabilities.setVpn)
        await rejects(dco.setPeer(1, { vpn: { ipv4: "10.8.0.77" } }), "exists", { field: "vpn" });
      await assertReaches(world, server, client.vpn.ipv4);
      await dco.removePeer(2);
      await dco.addPeer(peer(3, "10.8.0.77"));
    },
  },
  {
    name: "a prefix is behind one peer at a time, and free again when that peer has ended, whoever ended it",
    needs: peerRoutes,
    async run(world) {
      const { server, clients } = await openTunnel(world, { clients: 2 });
      await server.dco.setPeer(1, { routes: [BEHIND4] });
      await rejects(server.dco.setPeer(2, { routes: [BEHIND4] }), "exists", { field: "routes" });
      const keepalive = { interval: 1, timeout: 2 };
      await server.dco.setPeer(1, { keepalive });
      await (clients[0] as End).dco.close();
      await server.events.next("peer-deleted", ({ reason }) => reason === "expired");
      await assertRoutes(world, server, []);
      await server.dco.setPeer(2, { routes: [BEHIND4] });
      await assertRoutes(world, server, [BEHIND4]);
      const [ipv4] = await putBehind(world, clients[1] as End, 1);
      await assertReaches(world, server, ipv4);
    },
  },
  {
    name: "a peer's routes can be changed, follow its VPN address, and are there again after down and up",
    needs: (capabilities, sites) =>
      SYSTEM.needs(capabilities, sites) ??
      peerRoutes(capabilities) ??
      (capabilities.setVpn ? undefined : "no new VPN address"),
    async run(world) {
      const { server } = await openTunnel(world, { server: { routes: [BEHIND4] } });
      const inspect = async () => (await world.inspect(server.site, server.dco.name))?.routes.join();
      await server.dco.setPeer(1, { vpn: { ipv4: "10.8.0.99" } });
      assert.match((await inspect()) ?? "", /^10\.77\.0\.0\/24 via 10\.8\.0\.99/);
      await server.dco.configure({ up: false });
      assert.deepEqual(await routesOf(world, server), []);
      await server.dco.configure({ up: true });
      assert.deepEqual(await routesOf(world, server), [BEHIND4]);
      await server.dco.setPeer(1, { routes: [] });
      assert.deepEqual(await routesOf(world, server), []);
    },
  },
  {
    name: "a peer whose route cannot be set is not added",
    needs: (capabilities, sites) => SYSTEM.needs(capabilities, sites) ?? peerRoutes(capabilities),
    async run(world) {
      const { server } = await openTunnel(world);
      const { transport } = server;
      const remote = { address: "192.0.2.9", port: 1194 };
      await world.setUp(server.site, server.dco.name, true);
      // The address is the interface's own, so it cannot be a gateway.
      const peer = { id: 9, transport, remote, vpn: { ipv4: server.vpn.ipv4 }, routes: [BEHIND4] };
      await assert.rejects(server.dco.addPeer(peer));
      assert.deepEqual(
        (await server.dco.peers()).map(({ id }) => id),
        [1],
      );
      assert.deepEqual(await routesOf(world, server), []);
      await server.dco.setPeer(1, { routes: [BEHIND4] });
    },
  },
  {
    name: "a full tunnel: all traffic goes in, but for the way to the server; closing takes everything back",
    needs: ({ bypassRoutes }) => (bypassRoutes ? undefined : "the driver has no bypass"),
    async run(world) {
      const { server, client } = await openTunnel(world);
      await world.addAddress(server.site, server.dco.name, "10.99.0.1/32");
      const halves = ["0.0.0.0/1", "128.0.0.0/1"];
      await client.dco.configure({ routes: halves, bypass: [server.site.ipv4] });
      await assertReaches(world, client, "10.99.0.1");
      await assertReaches(world, client, server.site.ipv4);
      assert.deepEqual(await routesOf(world, client), halves);
      await client.dco.configure({ bypass: [], routes: [] });
      await assertReaches(world, client, server.vpn.ipv4);
      await client.dco.configure({ bypass: [server.site.ipv4], routes: halves });
      await client.dco.close();
      await assertReaches(world, client, server.site.ipv4);
    },
  },
  {
    name: "bypass for an address that only the tunnel leads to is refused, without effect",
    needs: ({ bypassRoutes }) => (bypassRoutes ? undefined : "the driver has no bypass"),
    async run(world) {
      const { client } = await openTunnel(world);
      await client.dco.configure({ routes: ["203.0.113.0/24"] });
      await rejects(client.dco.configure({ bypass: ["203.0.113.5"] }), "socket", { field: "bypass" });
      assert.deepEqual(await routesOf(world, client), ["203.0.113.0/24"]);
    },
  },
]);
