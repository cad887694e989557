/** Routing, forwarding, isolation. */
import assert from "node:assert/strict";
import { run as runProgram } from "../../../conformance/linux/command.ts";
import { ip, namespaceOf } from "../../../conformance/linux/raw.ts";
import {
  assertReaches,
  assertSilent,
  connect,
  installKeys,
  openEnd,
  type openHost,
  vpnOf,
} from "../../../conformance/tunnel.ts";
import type { Site } from "../../../conformance/world.ts";
import { runScript } from "../script.ts";
import { example, type Scene } from "../stage.ts";
import { openServer } from "./ends.ts";

/** Starts a program in a site's network namespace. */
export const inside = (site: Site) => ["nsenter", `--net=/run/netns/${namespaceOf(site)}`];

const redirects = (site: Site, name: string) =>
  runProgram("nsenter", [...inside(site).slice(1), "cat", `/proc/sys/net/ipv4/conf/${name}/send_redirects`]);

export const routingScenes: readonly Scene[] = [
  {
    page: "routing.md",
    name: "networks behind a client are reached, IPv4 and IPv6, as long as it is there",
    async run({ world, kernel, signal }) {
      const { addSite } = example("routing/routes.ts");
      const server = await openServer(world);
      const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2 });
      const behind = ["10.55.0.1/16", "fd00:55::1/64", "10.77.0.1/16"];
      const addresses = [`${client.vpn.ipv4}/24`, `${client.vpn.ipv6}/64`, ...behind];
      await world.configure(client.site, client.dco, { addresses });
      const { local } = client.transport;
      assert.ok(local);
      await addSite(server.dco, server.transport, { id: 1, remote: local }, signal);
      assert.ok(server.transport.local);
      await client.dco.addPeer({ id: 1, transport: client.transport, remote: server.transport.local });
      await installKeys(server, client);
      for (const address of ["10.55.0.1", "fd00:55::1"]) await assertReaches(world, server, address);
      if (!kernel) return;
      await server.dco.configure({ routes: ["10.77.0.0/16"] });
      await assertSilent(world, server, "10.77.0.1"); // a route that only names the interface
      await server.dco.configure({ routes: [{ destination: "10.77.0.0/16", via: client.vpn.ipv4 }] });
      await assertReaches(world, server, "10.77.0.1");
      await server.dco.configure({ routes: [] });
      await server.dco.removePeer(1);
      assert.equal((await world.inspect(server.site, server.dco.name))?.routes.join(), "");
    },
  },
  {
    page: "routing.md",
    name: "clients reach each other if the host forwards, and no longer with the rules",
    kernel: true,
    async run({ world }) {
      const { server: host } = world;
      const dco = await world.createInterface(host, { mode: "multipeer", name: "tun0" });
      const opened = await openHostOn(world, dco);
      const clients = [
        await openEnd(world, world.clients[0], { mode: "p2p", host: 2 }),
        await openEnd(world, world.clients[1], { mode: "p2p", host: 3 }),
      ] as const;
      for (const [at, client] of clients.entries()) await connect(opened, client, { id: at + 1 });
      assert.equal((await redirects(host, "all")).trim(), "0");
      assert.equal((await redirects(host, "tun0")).trim(), "0");
      const [one, two] = clients;
      for (const client of clients) await assertReaches(world, client, vpnOf(1).ipv4);
      await assertSilent(world, one, two.vpn.ipv4);
      await world.enableForwarding(host); // takes it back at the end
      for (const setting of ["ipv4.ip_forward", "ipv6.conf.all.forwarding"])
        await runProgram("nsenter", [...inside(host).slice(1), "sysctl", "-w", `net.${setting}=0`]);
      await runScript("routing/forward.sh", { by: inside(host) });
      for (const address of [two.vpn.ipv4, two.vpn.ipv6]) await assertReaches(world, one, address);
      world.onClose(async () => {
        await ip(host, "rule", "del", "iif", "tun0", "to", "10.8.0.0/24", "prohibit");
        await ip(host, "-6", "rule", "del", "iif", "tun0", "to", "fd00:8::/64", "prohibit");
      });
      await runScript("routing/isolate.sh", { by: inside(host) });
      for (const address of [two.vpn.ipv4, two.vpn.ipv6]) await assertSilent(world, one, address);
      for (const client of clients) {
        for (const address of [vpnOf(1).ipv4, vpnOf(1).ipv6]) await assertReaches(world, client, address);
      }
    },
  },
];

async function openHostOn(
  world: Parameters<typeof openHost>[0],
  dco: Awaited<ReturnType<typeof openHost>>["dco"],
) {
  const vpn = vpnOf(1);
  await dco.configure({ addresses: [`${vpn.ipv4}/24`, `${vpn.ipv6}/64`], up: true });
  const transport = await dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:1194` });
  return { site: world.server, dco, vpn, transport, events: undefined as never };
}
