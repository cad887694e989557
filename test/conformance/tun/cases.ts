/**
 * What is particular to TUN devices: the system's packets, and what becomes of a device.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { TunExtras } from "../../../src/userspace/index.ts";
import { type Case, group } from "../case.ts";
import { eventually, inTime } from "../expect.ts";
import { Child } from "../linux/child.ts";
import { ip } from "../linux/raw.ts";
import type { MixedWorld } from "../mixed/world.ts";
import { assertReaches, type End, openTunnel } from "../tunnel.ts";
import type { ForeignStream, Site, World } from "../world.ts";

/** What the kernel buffers for a device that nobody reads. */
const TUN_QUEUE = 500;

/** The most that is read in one turn of the event loop. */
const BATCH = 64;

/** Bytes of the connection through the tunnel, each way. */
const STREAM_BYTES = 1 << 20;

/** A site whose interfaces are TUN devices. */
function tunSite(world: World): Site {
  return (world as MixedWorld).isUserspace(world.server) ? world.server : world.clients[0];
}

/** A TCP connection between two ends, inside the tunnel. */
async function throughTunnel(world: World, from: End, to: End, family: 4 | 6) {
  const address = family === 4 ? to.vpn.ipv4 : to.vpn.ipv6;
  const listener = await world.acceptStreams({ ...to.site, ...to.vpn }, family);
  const accepting = listener.accept();
  const near = await world.connectStream(from.site, { address, port: listener.local.port });
  return { near, far: await inTime(accepting, "the connection through the tunnel") };
}

/** Sends bytes one way; they must arrive as they were. */
async function assertCarries(from: ForeignStream, to: ForeignStream): Promise<void> {
  const bytes = randomBytes(STREAM_BYTES);
  const writing = from.write(bytes);
  assert.ok((await to.read(bytes.length)).equals(bytes), "the bytes are the same");
  await writing;
}

interface LinkJson {
  readonly ifname: string;
  readonly ifalias?: string;
  readonly linkinfo?: { readonly info_kind?: string };
}

async function linkOf(site: Site, name: string): Promise<LinkJson | undefined> {
  const links = JSON.parse(await ip(site, "-d", "-j", "link", "show")) as LinkJson[];
  return links.find(({ ifname }) => ifname === name);
}

/** Starts a process that wants a device; what it says of its refusal. */
async function refusalOf(world: World, by: readonly string[]) {
  const child = new Child(world, tunSite(world), "tun", { name: "dk-refused" }, { by });
  const told = JSON.parse(await child.told("refused")) as { code: string; message: string; effect: string };
  assert.deepEqual(await child.end("the process without a device"), { code: 0, signal: null }, child.stderr);
  return told;
}

export const tunCases: Case[] = group("TUN", [
  ...([4, 6] as const).map((family) => ({
    name: `the system's packets go both ways, IPv4 and IPv6 inside, IPv${family} outside`,
    overTcp: true,
    timeoutMs: 120_000,
    async run(world: World) {
      const { server, clients } = await openTunnel(world, { clients: 2, family });
      for (const client of clients) {
        for (const [from, to] of [
          [client, server],
          [server, client],
        ] as const) {
          await assertReaches(world, from, to.vpn.ipv4, { count: 2 });
          await assertReaches(world, from, to.vpn.ipv6, { size: 1300, count: 2 });
        }
      }
      const [first, second] = clients as [End, End];
      // The server's system forwards what goes from one to the other.
      await world.enableForwarding(server.site);
      await assertReaches(world, first, second.vpn.ipv4);
    },
  })),
  ...([4, 6] as const).map((family) => ({
    name: `a TCP connection of the system's goes through the tunnel over IPv${family}, whole, both ways`,
    overTcp: true,
    async run(world: World) {
      const { server, client } = await openTunnel(world);
      const { near, far } = await throughTunnel(world, client, server, family);
      await Promise.all([assertCarries(near, far), assertCarries(far, near)]);
      await near.close();
      assert.equal((await inTime(far.readToEnd(), "the end of the connection")).length, 0);
    },
  })),
  {
    name: "the routes of a peer, and routes by way of it, lead to it and go with it",
    async run(world) {
      const { server, client } = await openTunnel(world);
      const addresses = [`${client.vpn.ipv4}/24`, `${client.vpn.ipv6}/64`, "10.55.0.1/16", "fd00:55::1/64"];
      await client.dco.configure({ addresses });
      await server.dco.setPeer(1, { routes: ["10.55.0.0/17", "fd00:55::/64"] });
      await assertReaches(world, server, "10.55.0.1");
      await assertReaches(world, server, "fd00:55::1");
      await server.dco.setPeer(1, { routes: [] });
      await server.dco.configure({ routes: [{ destination: "10.55.0.0/16", via: client.vpn.ipv4 }] });
      await assertReaches(world, server, "10.55.0.1");
      await assertReaches(world, client, server.vpn.ipv4);
      await server.dco.configure({ routes: [] });
      await server.dco.setPeer(1, { routes: ["10.55.0.0/17"] });
      await server.dco.removePeer(1);
      assert.deepEqual((await world.inspect(server.site, server.dco.name))?.routes, []);
    },
  },
  {
    name: "a device has the mark of its owner, and goes with its interface, as addresses and routes do",
    async run(world) {
      const site = tunSite(world);
      const dco = await world.createInterface(site, { mode: "multipeer", name: "dk-tun" });
      const config = { addresses: ["10.8.0.1/24"], up: true, routes: ["10.66.0.0/16"] };
      await dco.configure({ ...config, bypass: ["192.0.2.77"] });
      const link = await linkOf(site, "dk-tun");
      assert.equal(link?.linkinfo?.info_kind, "tun");
      assert.match(link?.ifalias ?? "", new RegExp(`^dcokit pid=${process.pid} start=\\d+ pidns=\\d+$`));
      assert.match(await ip(site, "route", "show", "192.0.2.77"), /192\.0\.2\.77/);
      await dco.close();
      assert.equal(await linkOf(site, "dk-tun"), undefined);
      assert.equal(await ip(site, "route", "show", "192.0.2.77"), "");
      assert.equal(await ip(site, "route", "show", "10.66.0.0/16"), "");
    },
  },
  {
    name: "a process that is killed leaves no device",
    async run(world) {
      const site = tunSite(world);
      const child = new Child(world, site, "tun", { name: "dk-killed" });
      await child.told("made");
      assert.deepEqual((await world.inspect(site, "dk-killed"))?.addresses, ["10.8.0.1/24", "fd00:8::1/64"]);
      assert.deepEqual(
        await world.driver.listInterfaces(site.extras),
        [],
        "it is none of this process's interfaces",
      );
      child.kill();
      await child.ended;
      await eventually(
        "the device's end",
        () => linkOf(site, "dk-killed"),
        (link) => link === undefined,
      );
    },
  },
  {
    name: "without the right, or the device, it is permission or unavailable, and says what is missing",
    timeoutMs: 240_000,
    async run(world) {
      const drop = ["--inh-caps=-all", "--bounding-set=-all"];
      const root = await refusalOf(world, ["setpriv", ...drop]);
      assert.deepEqual([root.code, root.effect], ["permission", "none"], root.message);
      assert.match(root.message, /CAP_NET_ADMIN/);
      const hide = 'mount -t tmpfs tmpfs /dev/net && exec "$@"';
      const missing = await refusalOf(world, ["unshare", "--mount", "sh", "-c", hide, "sh"]);
      assert.deepEqual([missing.code, missing.effect], ["unavailable", "none"], missing.message);
      assert.match(missing.message, /modprobe tun/);
      const close =
        "mount -t tmpfs tmpfs /dev/net && mknod -m 000 /dev/net/tun c 10 200 && " +
        `exec setpriv ${drop.join(" ")} "$@"`;
      const closed = await refusalOf(world, ["unshare", "--mount", "sh", "-c", close, "sh"]);
      assert.deepEqual([closed.code, closed.effect], ["permission", "none"], closed.message);
      assert.match(closed.message, /may not open \/dev\/net\/tun/);
    },
  },
  {
    name: "a right that was given up is told once when it is missed; closing needs none",
    async run(world) {
      const site = tunSite(world);
      const child = new Child(world, site, "tun", { name: "dk-lost", gives: true });
      assert.deepEqual(JSON.parse(await child.told("lost")), {
        codes: ["permission", "permission"],
        told: 1,
      });
      assert.deepEqual(await child.end("the process without the right"), { code: 0, signal: null });
      assert.equal(await linkOf(site, "dk-lost"), undefined);
    },
  },
  {
    name: "packets that wait are read in turns, so that other work is not kept from its own",
    async run(world) {
      const site = tunSite(world);
      const dco = await world.createInterface(site, { mode: "multipeer" });
      await dco.configure({ addresses: ["10.8.0.1/24"], up: true });
      const socket = await world.openSocket(site, 4);
      const { extras } = dco as unknown as { readonly extras: TunExtras };
      const count = TUN_QUEUE - 100;
      // Nobody has that address, so each packet is a counted drop.
      const before = extras.drops.noPeer;
      for (let n = 0; n < count; n++) socket.send(randomBytes(100), { address: "10.8.0.77", port: 9 });
      const turns: number[] = [];
      const total = () => extras.drops.noPeer - before;
      await inTime(
        (async () => {
          for (let last = 0; total() < count; last = total()) {
            await new Promise((resolve) => setImmediate(resolve));
            turns.push(total() - last);
          }
        })(),
        "all packets",
      );
      assert.equal(total(), count);
      assert.ok(Math.max(...turns) <= 2 * BATCH, `in one turn: ${Math.max(...turns)}`);
    },
  },
]);
