/**
 * The steps that send packets through the tunnel.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Counters, KeyInfo, PeerStats } from "../../src/index.ts";
import { bulkTransfer } from "./bulk.ts";
import type { Client } from "./client.ts";
import type { Host } from "./lab.ts";
import { ContinuousPing, ping } from "./ping.ts";
import { KEEPALIVE } from "./server.ts";
import { bothStats, type Ends, type Stage, type Vpn, verify } from "./stage.ts";

const PINGS = 5;
const MIB = 1024 * 1024;

/** To the server and, through its IP stack, between the clients. */
export function pings({ report, signal }: Stage, { lab }: Vpn): Promise<void> {
  return report.step("Ping, IPv4 and IPv6: clients to server, client to client", async (say) => {
    const [one, two] = lab.clients;
    const ways: readonly [Host, Host][] = [
      [one, lab.server],
      [two, lab.server],
      [one, two],
      [two, one],
    ];
    const all = ways.flatMap(([from, to]) =>
      Object.values(to.vpn).map((address) => countPings(from, address, PINGS, signal)),
    );
    const replies = (await Promise.all(all)).reduce((sum, count) => sum + count, 0);
    say(`${replies} replies to ${replies} pings: ${ways.length} ways, ${PINGS} each with IPv4 and with IPv6`);
  });
}

/** There and back for both clients at the same time, one by IPv4, the other by IPv6. */
export function bulk({ report, signal, options }: Stage, vpn: Vpn): Promise<void> {
  const { lab, clients } = vpn;
  return report.step(`Bulk transfer by TCP: ${options.mib} MiB each way, both clients`, async (say) => {
    const bytes = options.mib * MIB;
    const before = await Promise.all(clients.map((client) => bothStats(vpn, client)));
    const [one, two] = lab.clients;
    const seconds = await Promise.all([
      bulkTransfer(one, lab.server, "ipv4", bytes, signal),
      bulkTransfer(two, lab.server, "ipv6", bytes, signal),
    ]);
    let carried = 0n;
    for (const [at, client] of clients.entries()) {
      const after = await bothStats(vpn, client);
      for (const end of ["server", "client"] as const) {
        const { link, tunnel } = growth(before[at]?.[end], after[end]);
        const what = `${client.host.name}'s counters at the ${end}'s end`;
        // The counters have the headers too, so they are higher than what TCP carried.
        verify(tunnel.rxBytes > bytes && tunnel.txBytes > bytes, `${what} (tunnel) are too low`);
        verify(link.rxBytes > tunnel.rxBytes && link.txBytes > tunnel.txBytes, `${what} (link) are too low`);
        if (end === "server") carried += link.rxBytes + link.txBytes;
      }
    }
    const rate = (2 * clients.length * options.mib) / Math.max(...seconds);
    say(
      `4 SHA-256 digests agree; ${carried.toLocaleString("en")} bytes of OpenVPN packets, ${rate.toFixed(1)} MiB/s`,
    );
  });
}

/** How often each client takes a new key. */
export const ROTATIONS = 2;

/** Pings go on all the time; each client takes a new key whenever its key schedule advises one. */
export function rotateKeys({ report, signal }: Stage, vpn: Vpn): Promise<void> {
  const { lab, clients } = vpn;
  return report.step(`Rotate keys under traffic, ${ROTATIONS} times for each client`, async (say) => {
    const [one, two] = lab.clients;
    const traffic = [
      new ContinuousPing(one, lab.server.vpn.ipv4, 20, signal),
      new ContinuousPing(two, lab.server.vpn.ipv6, 20, signal),
      new ContinuousPing(one, two.vpn.ipv4, 20, signal),
    ];
    await Promise.all(traffic.map((each) => each.more(10, signal)));
    const rotated = await Promise.all(clients.map((client) => rotateClient(vpn, client, signal, say)));
    await Promise.all(traffic.map((each) => each.more(10, signal)));
    const counts = await Promise.all(traffic.map((each) => each.stop()));
    const sent = counts.reduce((sum, count) => sum + count.sent, 0);
    const received = counts.reduce((sum, count) => sum + count.received, 0);
    verify(sent === received, `${sent - received} of ${sent} pings were lost`);
    say(`${rotated.join("; ")}; ${received} replies to ${sent} pings, none lost`);
  });
}

/** Takes new keys, each when the key schedule advises it; traffic has to go on meanwhile. */
export async function rotateClient(
  vpn: Ends,
  client: Client,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<string> {
  const { name } = client.host;
  const ids: number[] = [];
  const reasons = new Set<string>();
  for (let round = 0; round < ROTATIONS; round++) {
    reasons.add(await client.rekeyAdvised(signal));
    const before = await bothStats(vpn, client);
    const { from, to } = await client.rotate(signal);
    say(`${name}: key ${from} to ${to}`);
    for (const [end, keys] of Object.entries(await keysAtRest(vpn, client, signal))) {
      const found = keys.map(({ slot, id }) => `${slot} ${id}`).join(", ");
      verify(to !== from && found === `primary ${to}`, `${name}: the ${end} has ${found}, not primary ${to}`);
    }
    const after = await bothStats(vpn, client);
    for (const end of ["server", "client"] as const) {
      const { tunnel } = growth(before[end], after[end]);
      verify(tunnel.rxBytes > 0n && tunnel.txBytes > 0n, `${name}: the ${end}'s counters stood still`);
    }
    ids.push(...(round === 0 ? [from, to] : [to]));
  }
  return `${name}: key ids ${ids.join(" to ")} (advised by ${[...reasons].join(" and ")})`;
}

/** What both ends hold when each has given up its old key. */
async function keysAtRest(
  { server }: Ends,
  client: Client,
  signal: AbortSignal,
): Promise<Record<"server" | "client", KeyInfo[]>> {
  const { peerId } = client.session;
  for (let tries = 0; ; tries++) {
    const keys = { server: await server.dco.keys(peerId), client: await client.dco.keys(peerId) };
    if (tries === 100 || Object.values(keys).every(({ length }) => length === 1)) return keys;
    await delay(50, undefined, { signal });
  }
}

/** The second client's cable is pulled: both ends find out by their keepalive. */
export function silence({ report, signal, events }: Stage, vpn: Vpn): Promise<void> {
  const { lab, server, clients } = vpn;
  const [talking, silent] = clients;
  const title = `Silence: ${silent.host.name}'s cable is pulled (keepalive ${KEEPALIVE.timeout} s)`;
  return report.step(title, async (say) => {
    const earlier = events.seen.filter(({ event }) => event.type === "peer-deleted");
    verify(earlier.length === 0, "a peer has ended before");
    const { peerId } = silent.session;
    const started = performance.now();
    await lab.unplug(silent.host, signal);
    say("waiting for the server's event");
    await Promise.all(
      ["server", silent.host.name].map((on) =>
        events.waitFor(
          `peer-deleted of peer ${peerId} on ${on}`,
          60,
          (seen) => seen.on === on && seen.event.type === "peer-deleted" && seen.event.peer === peerId,
          signal,
        ),
      ),
    );
    const seconds = (performance.now() - started) / 1000;
    for (const { event, on } of events.seen) {
      if (event.type !== "peer-deleted") continue;
      verify(event.reason === "expired", `${on}: the reason is ${event.reason}, not expired`);
      verify(event.peer === peerId, `${on}: peer ${event.peer} has ended`);
    }
    const left = await server.dco.peers();
    verify(
      left.length === 1 && left[0]?.id === talking.session.peerId,
      "the server has other peers than it should",
    );
    const replies = await countPings(talking.host, lab.server.vpn.ipv4, PINGS, signal);
    say(
      `peer-deleted (expired) at both ends after ${seconds.toFixed(1)} s; ` +
        `${talking.host.name} goes on, ${replies} replies to ${replies} pings`,
    );
  });
}

async function countPings(from: Host, address: string, count: number, signal: AbortSignal): Promise<number> {
  const { sent, received } = await ping(from, address, count, signal);
  const what = `${from.name} to ${address}`;
  verify(sent === count && received === count, `${what}: ${received} replies to ${sent} pings`);
  return received;
}

function growth(before: PeerStats | undefined, after: PeerStats): { link: Counters; tunnel: Counters } {
  return { link: minus(after.link, before?.link), tunnel: minus(after.tunnel, before?.tunnel) };
}

function minus(after: Counters | undefined, before: Counters | undefined): Counters {
  verify(after !== undefined && before !== undefined, "the kernel has no such counters");
  return {
    rxBytes: after.rxBytes - before.rxBytes,
    txBytes: after.txBytes - before.txBytes,
    rxPackets: undefined,
    txPackets: undefined,
  };
}
