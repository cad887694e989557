/**
 * The recipe of docs/guide/full-tunnel.md: all traffic through the tunnel, but for the way to the server.
 */
import assert from "node:assert/strict";
import { enterByMetric, enterFullTunnel, leaveFullTunnel } from "../../../examples/full-tunnel.ts";
import { group } from "../case.ts";
import { eventually, rejects } from "../expect.ts";
import { ip, LINUX_ONLY } from "../linux/raw.ts";
import { controlPacket, expectPacket } from "../packets.ts";
import { assertReaches, assertSilent, connect, type End, openEnd } from "../tunnel.ts";
import type { Site, World } from "../world.ts";

const WIRE = "wire";
/** The server as the world knows it, and a host that only it can reach. */
const SERVER = { 4: "203.0.113.1", 6: "2001:db8:ffff::1" } as const;
const HOST = { 4: "198.51.100.7", 6: "2001:db8:fffe::7" } as const;
/** Of the client's default route. */
const METRIC = 100;

const BOTH = [4, 6] as const;

/** An `ip` command at a site, and what undoes it at the end of the case. */
async function put(world: World, site: Site, what: "route" | "addr", ...args: string[]): Promise<void> {
  await ip(site, what, "add", ...args);
  world.onClose(() => ip(site, what, "del", ...args.filter((each) => each !== "nodad")));
}

/**
 * Lays out the world: client - router - server - host. The router knows the way to the server's public addresses,
 * and not to the host.
 */
async function layOut(world: World): Promise<void> {
  const [client, router, host] = world.clients;
  for (const family of BOTH) {
    const outside = (site: Site) => (family === 6 ? site.ipv6 : site.ipv4);
    const one = (address: string) => `${address}/${family === 6 ? 128 : 32}`;
    const nodad = family === 6 ? ["nodad"] : [];
    const tunnel = family === 6 ? "fd00:8::/64" : "10.8.0.0/24";
    await put(world, world.server, "addr", one(SERVER[family]), "dev", WIRE, ...nodad);
    await put(world, host, "addr", one(HOST[family]), "dev", WIRE, ...nodad);
    await put(world, world.server, "route", one(HOST[family]), "via", outside(host), "dev", WIRE);
    await put(world, host, "route", tunnel, "via", outside(world.server), "dev", WIRE);
    await put(world, router, "route", one(SERVER[family]), "via", outside(world.server), "dev", WIRE);
    const any = family === 6 ? "::/0" : "0.0.0.0/0";
    await put(world, client, "route", any, "via", outside(router), "dev", WIRE, "metric", `${METRIC}`);
  }
  for (const site of [router, world.server]) await world.enableForwarding(site);
}

/** Packets that a client has put into its tunnel. */
async function sentBy({ dco }: End): Promise<bigint> {
  return (await dco.stats())[0]?.tunnel?.txPackets ?? 0n;
}

async function assertOutside(world: World, client: End): Promise<void> {
  const before = await sentBy(client);
  for (const family of BOTH) await assertReaches(world, client, SERVER[family]);
  assert.equal(await sentBy(client), before, "the server is reached outside the tunnel");
}

async function assertInside(world: World, client: End): Promise<void> {
  for (const family of BOTH) {
    const before = await sentBy(client);
    await assertReaches(world, client, HOST[family], { count: 2 });
    assert.equal((await sentBy(client)) - before, 2n, "the host is reached through the tunnel");
  }
}

async function routing(site: Site): Promise<string[]> {
  const both = [await ip(site, "-4", "route", "show"), await ip(site, "-6", "route", "show")];
  return both
    .join("\n")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

export const fullTunnelCases = group("full tunnel", [
  ...(
    [
      [4, "halves"],
      [6, "metric"],
    ] as const
  ).map(([family, how]) => ({
    ...LINUX_ONLY,
    name: `over IPv${family}, by ${how}: a host behind the server is reached through the tunnel, the server outside`,
    timeoutMs: 120_000,
    async run(world: World) {
      await layOut(world);
      const site = world.clients[0];
      const remote = { address: SERVER[family], port: 1194 };
      const server = await openEnd(world, world.server, {
        mode: "multipeer",
        host: 1,
        family,
        transport: { local: remote },
      });
      const any = { address: family === 6 ? "::" : "0.0.0.0", port: 0 };
      const client = await openEnd(world, site, {
        mode: "p2p",
        host: 2,
        family,
        transport: { local: any, remote },
      });
      await connect(server, client, { family });
      const before = await routing(site);
      await assertReaches(world, client, server.vpn.ipv4);
      for (const each of BOTH) await assertSilent(world, client, HOST[each]);

      const enter = () =>
        how === "halves"
          ? enterFullTunnel(client.dco, Object.values(SERVER))
          : enterByMetric(client.dco, Object.values(SERVER), METRIC - 1);
      await enter();
      await assertInside(world, client);
      await assertOutside(world, client);
      const packet = controlPacket();
      await client.transport.send(packet, { peer: 1 });
      await expectPacket(server.transport, packet);

      // It holds when the interface was down.
      await world.setUp(site, client.dco.name, false);
      await world.setUp(site, client.dco.name, true);
      await eventually(
        "the routes",
        () => ip(site, "-6", "route", "get", HOST[6]),
        (route) => route.includes(client.dco.name),
      );
      await assertInside(world, client);
      await assertOutside(world, client);

      await leaveFullTunnel(client.dco);
      assert.deepEqual(await routing(site), before);
      await assertReaches(world, client, server.vpn.ipv4);
      await assertSilent(world, client, HOST[4]);
      await enter();
      await assertInside(world, client);
      await client.dco.removePeer(1);
      for (const each of BOTH) {
        const way = await ip(site, `-${each}`, "route", "get", HOST[each]);
        assert.match(way, new RegExp(`dev ${client.dco.name}`), "without a peer nothing goes outside");
      }
      await client.dco.close();
      const own = before.filter((line) => !line.includes(client.dco.name));
      assert.deepEqual(await routing(site), own, "closing takes everything back");
    },
  })),
  {
    ...LINUX_ONLY,
    name: "by a metric that the host's default route has is exists, and everything stays as it was",
    async run(world) {
      await layOut(world);
      const dco = await world.createInterface(world.clients[0], { mode: "p2p" });
      await dco.configure({ addresses: ["10.8.0.2/24", "fd00:8::2/64"], up: true });
      const before = await routing(world.clients[0]);
      const call = dco.configure({ routes: [{ destination: "::/0", metric: METRIC }] });
      await rejects(call, "exists", { field: "routes[0]", effect: "none" });
      await rejects(enterByMetric(dco, [SERVER[4]], METRIC), "exists", { field: "routes[0]" });
      // The bypass was applied before that.
      await leaveFullTunnel(dco);
      assert.deepEqual(await routing(world.clients[0]), before);
    },
  },
]);
