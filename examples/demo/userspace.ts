/**
 * The demo without a kernel: two drivers of the userspace backend in this process, one for the server and one for the
 * clients, with UDP over loopback between them.
 */
import { randomBytes } from "node:crypto";
import {
  openUserspaceDriver,
  type UserspaceDriver,
  type UserspaceInterface,
} from "../../src/userspace/index.ts";
import { Cable } from "./cable.ts";
import { Client } from "./client.ts";
import { handshake } from "./handshake.ts";
import { InnerHost, InnerPing } from "./inner-host.ts";
import { MTU, Server } from "./server.ts";
import { bothStats, type Ends, type Site, type Stage, verify } from "./stage.ts";
import { readPeers, type Summary, summaryOf } from "./summary.ts";
import { ROTATIONS, rotateClient } from "./traffic.ts";

/** Short, so that the demo is. */
const KEEPALIVE = { interval: 1, timeout: 2 };

const LOOPBACK = { 4: "127.0.0.1", 6: "::1" } as const;
const PINGS = 5;
const MIB = 1024 * 1024;

/** What DATA_V2 adds to an inner packet: header, packet id, tag. */
const OVERHEAD = 24;

/** All ends, with the hosts that are behind their interfaces. */
interface Vpn extends Ends<Site, UserspaceInterface> {
  readonly hosts: readonly [server: InnerHost, one: InnerHost, two: InnerHost];
  /** Between the second client and the server. */
  readonly cable: Cable;
}

/** All steps. Each throws if what it shows could not be verified. */
export async function show(stage: Stage): Promise<Summary> {
  const drivers = await openDrivers(stage);
  const vpn = await connect(stage, ...drivers);
  await pings(stage, vpn);
  await bulk(stage, vpn);
  await rotateKeys(stage, vpn);
  await noDrops(stage, vpn);
  const before = await readPeers(vpn);
  await silence(stage, vpn);
  return summaryOf(drivers[0].info, vpn, before);
}

function openDrivers({ report, undo }: Stage): Promise<[UserspaceDriver, UserspaceDriver]> {
  return report.step("Open two userspace drivers, without any privilege", async (say) => {
    const drivers = [await openUserspaceDriver(), await openUserspaceDriver()] as const;
    for (const driver of drivers) undo("a driver", () => driver.close());
    const [{ capabilities }] = drivers;
    const user = process.getuid?.() === undefined ? "" : `user id ${process.getuid()}; `;
    say(`${user}ciphers: ${capabilities.ciphers.join(", ")}`);
    return [...drivers];
  });
}

async function connect(stage: Stage, forServer: UserspaceDriver, forClients: UserspaceDriver): Promise<Vpn> {
  const { report, events, fail, undo, options } = stage;
  const address = LOOPBACK[options.outer];
  const secret = randomBytes(32);
  const site = (name: string, number: number): Site => ({
    name,
    vpn: { ipv4: `10.8.0.${number}`, ipv6: `fd00:8::${number}` },
  });
  const sites = [site("server", 1), site("client1", 2), site("client2", 3)] as const;

  const server = await report.step("Server: a multipeer interface and a UDP socket", async (say) => {
    const dco = await forServer.createInterface({ mode: "multipeer" });
    undo("the server's interface", () => dco.close());
    events.watch("server", dco).catch(fail);
    await dco.configure({ mtu: MTU, up: true });
    const transport = await dco.openTransport({ protocol: "udp", local: { address, port: 0 } });
    const [host, ...clients] = sites;
    const end = { host, capabilities: forServer.capabilities, dco, transport };
    say(`${dco.name}, MTU ${MTU}, UDP ${address} port ${transport.local?.port}`);
    return new Server<Site, UserspaceInterface>(end, secret, clients, KEEPALIVE, fail);
  });

  const remote = server.transport.local;
  verify(remote !== undefined, "the server's transport has no address");
  const cable = await Cable.lay(remote);
  undo("the cable", async () => cable.close());

  const clients = await report.step("Clients: a p2p interface and a UDP socket each", async (say) => {
    const start = async (host: Site, to: typeof remote, cipher: "aes-256-gcm" | "chacha20-poly1305") => {
      const dco = await forClients.createInterface({ mode: "p2p" });
      undo(`${host.name}'s interface`, () => dco.close());
      events.watch(host.name, dco).catch(fail);
      const transport = await dco.openTransport({ protocol: "udp", remote: to });
      const end = { host, capabilities: forClients.capabilities, dco, transport };
      return new Client<Site, UserspaceInterface>(end, cipher, KEEPALIVE);
    };
    const made = [
      await start(sites[1], remote, "aes-256-gcm"),
      await start(sites[2], cable.near, "chacha20-poly1305"),
    ] as const;
    say(made.map(({ host, dco, cipher }) => `${host.name}: ${dco.name}, ${cipher}`).join("; "));
    return made;
  });

  await handshake(stage, { server, clients }, secret);
  const inner = ({ host, dco }: { host: Site; dco: UserspaceInterface }, forwards: boolean) =>
    new InnerHost(host, dco.extras.packets, forwards);
  const hosts = [inner(server, true), inner(clients[0], false), inner(clients[1], false)] as const;
  return { server, clients, hosts, cable };
}

function pings({ report, signal }: Stage, { hosts: [server, one, two] }: Vpn): Promise<void> {
  return report.step("Ping, IPv4 and IPv6: clients to server, back, client to client", async (say) => {
    const ways: readonly [InnerHost, InnerHost][] = [
      [one, server],
      [server, one],
      [two, server],
      [server, two],
      [one, two],
      [two, one],
    ];
    const all = ways.flatMap(([from, to]) =>
      Object.values(to.site.vpn).map((address) => countPings(from, address, signal)),
    );
    const replies = (await Promise.all(all)).reduce((sum, count) => sum + count, 0);
    say(`${replies} replies to ${replies} pings: ${ways.length} ways, ${PINGS} each with IPv4 and with IPv6`);
  });
}

/** There and back for both clients at the same time, one by IPv4, the other by IPv6. */
function bulk({ report, signal, options }: Stage, vpn: Vpn): Promise<void> {
  const [server, one, two] = vpn.hosts;
  return report.step(`Bulk transfer: ${options.mib} MiB each way, both clients`, async (say) => {
    const bytes = options.mib * MIB;
    const started = performance.now();
    const both = async (client: InnerHost, family: "ipv4" | "ipv6") => {
      const [here, there] = [client.site.vpn[family], server.site.vpn[family]];
      const sent = await Promise.all([
        client.transfer(there, bytes, signal),
        server.transfer(here, bytes, signal),
      ]);
      const received = [server.digestFrom(here), client.digestFrom(there)];
      for (const [at, digest] of sent.entries())
        verify(digest === received[at], `${client.site.name}: other bytes arrived than were sent`);
    };
    await Promise.all([both(one, "ipv4"), both(two, "ipv6")]);
    const seconds = (performance.now() - started) / 1000;
    const carried = await exactCounters(vpn);
    const rate = (4 * options.mib) / seconds;
    say(
      `4 SHA-256 digests agree, and the counters with what was carried; ` +
        `${carried.toLocaleString("en")} bytes of OpenVPN packets so far, ${rate.toFixed(1)} MiB/s`,
    );
  });
}

/** Nothing is under way: what the hosts have put in and got out must be in the counters. Returns the link's bytes. */
async function exactCounters(vpn: Vpn): Promise<bigint> {
  let carried = 0n;
  for (const [at, client] of vpn.clients.entries()) {
    const host = vpn.hosts[at + 1] as InnerHost;
    const { server: there, client: here } = await bothStats(vpn, client);
    const { link, tunnel } = here;
    verify(link !== undefined && tunnel !== undefined, "there are no counters");
    const { name } = host.site;
    const agree = (
      what: string,
      counted: number | bigint | undefined,
      expected: number | bigint | undefined,
    ) =>
      verify(
        BigInt(counted ?? -1) === BigInt(expected ?? -2),
        `${name}: ${what} is ${counted}, not ${expected}`,
      );
    agree("packets sent", tunnel.txPackets, host.sent.packets);
    agree("bytes sent", tunnel.txBytes, host.sent.bytes);
    agree("packets received", tunnel.rxPackets, host.received.packets);
    agree("bytes received", tunnel.rxBytes, host.received.bytes);
    agree("packets at the server", there.tunnel?.rxPackets, host.sent.packets);
    agree("packets from the server", there.tunnel?.txPackets, host.received.packets);
    // Keepalive pings are in the link's counters only.
    const least = tunnel.txBytes + BigInt(OVERHEAD) * (tunnel.txPackets ?? 0n);
    verify(link.txBytes >= least, `${name}: the link carried ${link.txBytes} bytes, less than ${least}`);
    carried += link.txBytes + link.rxBytes;
  }
  return carried;
}

/** Pings go on all the time; each client takes a new key whenever its key schedule advises one. */
function rotateKeys({ report, signal }: Stage, vpn: Vpn): Promise<void> {
  const [server, one, two] = vpn.hosts;
  return report.step(`Rotate keys under traffic, ${ROTATIONS} times for each client`, async (say) => {
    const traffic = [
      new InnerPing(one, server.site.vpn.ipv4, 2, signal),
      new InnerPing(two, server.site.vpn.ipv6, 2, signal),
      new InnerPing(one, two.site.vpn.ipv4, 2, signal),
    ];
    const rotated = await Promise.all(vpn.clients.map((client) => rotateClient(vpn, client, signal, say)));
    const counts = await Promise.all(traffic.map((each) => each.stop()));
    const sent = counts.reduce((sum, count) => sum + count.sent, 0);
    const received = counts.reduce((sum, count) => sum + count.received, 0);
    verify(sent === received, `${sent - received} of ${sent} pings were lost`);
    await exactCounters(vpn);
    say(`${rotated.join("; ")}; ${received} replies to ${sent} pings, none lost`);
  });
}

function noDrops({ report }: Stage, { server, clients }: Vpn): Promise<void> {
  return report.step("Drops: each interface counts what it dropped, by reason", async (say) => {
    for (const { host, dco } of [server, ...clients]) {
      for (const [reason, count] of Object.entries(dco.extras.drops)) {
        verify(count === 0, `${host.name} has dropped ${count} packets: ${reason}`);
      }
    }
    // No packet: the interface must say so.
    server.dco.extras.packets.write(new Uint8Array(8));
    const { invalid } = server.dco.extras.drops;
    verify(invalid === 1, `after a write of no packet invalid is ${invalid}, not 1`);
    say("none so far; one that was no IP packet was counted as invalid");
  });
}

/** The second client's cable is pulled: both ends find out by their keepalive. */
function silence({ report, signal, events }: Stage, vpn: Vpn): Promise<void> {
  const [talking, silent] = vpn.clients;
  const title = `Silence: ${silent.host.name}'s cable is pulled (keepalive ${KEEPALIVE.timeout} s)`;
  return report.step(title, async (say) => {
    const { peerId } = silent.session;
    const deleted = () => events.seen.filter(({ event }) => event.type === "peer-deleted");
    verify(deleted().length === 0, "a peer has ended before");
    const started = performance.now();
    vpn.cable.pull();
    await Promise.all(
      ["server", silent.host.name].map((on) =>
        events.waitFor(
          `peer-deleted of peer ${peerId} on ${on}`,
          30,
          (seen) => seen.on === on && seen.event.type === "peer-deleted" && seen.event.peer === peerId,
          signal,
        ),
      ),
    );
    const seconds = (performance.now() - started) / 1000;
    for (const { event, on } of deleted()) {
      verify(event.type === "peer-deleted" && event.reason === "expired", `${on}: the peer did not expire`);
      verify(event.finalStats !== undefined, `${on}: the event has no final counters`);
    }
    verify(deleted().length === 2, `${deleted().length} peers have ended, not one at each end`);
    const left = await vpn.server.dco.peers();
    verify(
      left.length === 1 && left[0]?.id === talking.session.peerId,
      "the server has other peers than it should",
    );
    const replies = await countPings(vpn.hosts[1], vpn.hosts[0].site.vpn.ipv4, signal);
    say(
      `peer-deleted (expired) at both ends after ${seconds.toFixed(1)} s; ` +
        `${talking.host.name} goes on, ${replies} replies to ${replies} pings`,
    );
  });
}

async function countPings(from: InnerHost, address: string, signal: AbortSignal): Promise<number> {
  const { sent, received } = await from.ping(address, PINGS, signal);
  verify(sent === received, `${from.site.name} to ${address}: ${received} replies to ${sent} pings`);
  return received;
}
