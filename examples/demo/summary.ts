/**
 * What is to be seen at the end: the kernel, the peers with their counters, the events.
 */
import type { DcoEvent, DriverInfo, Endpoint, PeerInfo, PeerStats } from "../../src/index.ts";
import type { SeenEvent } from "./events.ts";
import { machineText } from "./machine.ts";
import type { Ends } from "./stage.ts";

/** A peer of one of the interfaces. */
export interface PeerRow {
  readonly on: string;
  readonly peer: PeerInfo;
  readonly stats: PeerStats;
}

export interface Summary {
  readonly driver: DriverInfo;
  readonly machine: string;
  readonly peers: readonly PeerRow[];
}

/** All peers of the three interfaces, as they are now. */
export async function readPeers({ server, clients }: Ends): Promise<PeerRow[]> {
  const rows: PeerRow[] = [];
  for (const { host, dco } of [server, ...clients]) {
    const peers = await dco.peers();
    const stats = await dco.stats();
    for (const peer of peers) {
      const counted = stats.find(({ id, generation }) => id === peer.id && generation === peer.generation);
      if (counted) rows.push({ on: host.name, peer, stats: counted });
    }
  }
  return rows;
}

/** @param before the peers before some have expired: those are shown as they were */
export async function summaryOf(
  driver: DriverInfo,
  ends: Ends,
  before: readonly PeerRow[],
): Promise<Summary> {
  const now = await readPeers(ends);
  const peers = before.map(
    (old) => now.find(({ on, peer }) => on === old.on && peer.id === old.peer.id) ?? old,
  );
  return { driver, machine: machineText, peers };
}

/** For people. */
export function summaryText({ driver, machine, peers }: Summary, events: readonly SeenEvent[]): string {
  const { kernel, module, version, backend, reason } = driver;
  const inKernel = [
    ["kernel", `Linux ${kernel}`],
    ["module", version === kernel ? `${module}, part of the kernel` : `${module}, version ${version}`],
  ];
  const inProcess = [
    ["system", kernel],
    ["ciphers of", version],
  ];
  const system = [
    ...(module === "none" ? inProcess : inKernel),
    ["backend", `${backend}: ${reason}`],
    ["machine", machine],
    ["Node", process.version],
  ];
  const peerTable = [
    ["on", "peer", "transport address", "VPN addresses", "cipher", "key ids", "state"],
    ...peers.map(({ on, peer }) => peerCells(on, peer, events)),
  ];
  const counterTable = [
    ["on", "peer", "link received", "link sent", "tunnel received", "tunnel sent"],
    ...peers.map(({ on, peer, stats }) => [on, `${peer.id}`, ...counterCells(stats)]),
  ];
  const eventTable = events.map(({ seconds, on, event }) => [
    `${seconds.toFixed(1)} s`,
    on,
    eventText(event),
  ]);
  return [
    table(system),
    `Peers\n${table(peerTable)}`,
    `Counters (bytes / packets; link: OpenVPN's packets, tunnel: those inside)\n${table(counterTable)}`,
    `Events\n${table(eventTable)}`,
  ].join("\n\n");
}

function peerCells(on: string, peer: PeerInfo, events: readonly SeenEvent[]): string[] {
  const { id, generation, remote, vpn, keys } = peer;
  const end = events.find(
    (seen) =>
      seen.on === on &&
      seen.event.type === "peer-deleted" &&
      seen.event.peer === id &&
      seen.event.generation === generation,
  )?.event;
  return [
    on,
    `${id}`,
    remote ? endpointText(remote) : "-",
    [vpn.ipv4, vpn.ipv6].filter((address) => address !== undefined).join(" ") || "any (p2p)",
    keys.map(({ cipher }) => cipher ?? "?").join(" "),
    keys.map((key) => `${key.id ?? "?"}`).join(" "),
    end?.type === "peer-deleted" ? end.reason : "connected",
  ];
}

function counterCells({ link, tunnel }: PeerStats): string[] {
  const cell = (bytes?: bigint, packets?: bigint) =>
    `${bytes?.toLocaleString("en") ?? "-"} / ${packets?.toLocaleString("en") ?? "-"}`;
  return [link, tunnel].flatMap((counters) => [
    cell(counters?.rxBytes, counters?.rxPackets),
    cell(counters?.txBytes, counters?.txPackets),
  ]);
}

function eventText(event: DcoEvent): string {
  switch (event.type) {
    case "peer-deleted":
      return `peer-deleted: peer ${event.peer}, ${event.reason}`;
    case "peer-floated":
      return `peer-floated: peer ${event.peer} is now at ${endpointText(event.remote)}`;
    case "link":
      return `link: ${event.up ? "up" : "down"}`;
    default:
      return event.type;
  }
}

function endpointText({ address, port }: Endpoint): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Columns, each as wide as its widest cell. */
function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return rows
    .map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ")}`.trimEnd())
    .join("\n");
}
