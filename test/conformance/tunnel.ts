/**
 * Tunnels between sites: interface, transport, peers and keys at both ends.
 */
import assert from "node:assert/strict";
import type { DcoInterface, Transport } from "../../src/core/contract.ts";
import type {
  AddPeerOptions,
  CipherName,
  Endpoint,
  InterfaceConfig,
  InterfaceMode,
  OpenTransportOptions,
  PeerRef,
  TransportProtocol,
} from "../../src/core/model.ts";
import { inTime } from "./expect.ts";
import { freshKeyPair } from "./keys.ts";
import { Recorder } from "./recorder.ts";
import type { PingOptions, Site, World } from "./world.ts";

/** One end of a tunnel. */
export interface End {
  readonly site: Site;
  readonly dco: DcoInterface;
  readonly transport: Transport;
  readonly events: Recorder;
  /** Its addresses inside the tunnel. */
  readonly vpn: { readonly ipv4: string; readonly ipv6: string };
}

/** The family of the addresses outside the tunnel. */
export type Family = 4 | 6;

/** How to open an end. */
export interface EndOptions {
  readonly mode: InterfaceMode;
  readonly family?: Family;
  /** Number of its addresses inside the tunnel: 10.8.0.`host` and fd00:8::`host`. */
  readonly host: number;
  readonly transport?: Partial<OpenTransportOptions>;
  readonly config?: InterfaceConfig;
}

/** Port of servers over IPv4; clients take any, and so does everybody where sites may have one address together. */
export const SERVER_PORT = 1194;

/** The addresses inside the tunnel of a host number. */
export function vpnOf(host: number): { ipv4: string; ipv6: string } {
  return { ipv4: `10.8.0.${host}`, ipv6: `fd00:8::${host}` };
}

/** A site's address outside the tunnel. */
export function outside(site: Site, family: Family = 4): string {
  return family === 6 ? site.ipv6 : site.ipv4;
}

/** The transport's address as others reach it: with the site's address in place of the unspecified one. */
export function reachable(site: Site, transport: Transport, family: Family = 4): Endpoint {
  assert.ok(transport.local, "the transport tells its local address");
  const { address, port } = transport.local;
  const unspecified = address === "0.0.0.0" || address === "::";
  return unspecified ? { address: outside(site, family), port } : transport.local;
}

/** An endpoint as a site has to write it: a link-local address is on the site's own interface. */
export function seenFrom(site: Site, endpoint: Endpoint): Endpoint {
  return endpoint.scopeId ? { ...endpoint, scopeId: site.linkLocal.scopeId } : endpoint;
}

/** Makes an interface with addresses that is up. */
export async function openHost(
  world: World,
  site: Site,
  { mode, host, config }: Pick<EndOptions, "mode" | "host" | "config">,
): Promise<Omit<End, "transport">> {
  const vpn = vpnOf(host);
  const dco = await world.createInterface(site, { mode });
  const events = new Recorder(dco);
  const addresses = [`${vpn.ipv4}/24`, `${vpn.ipv6}/64`];
  await world.configure(site, dco, { addresses, up: true, ...config });
  return { site, dco, events, vpn };
}

/** Makes an interface with addresses that is up, and a UDP transport. */
export async function openEnd(world: World, site: Site, options: EndOptions): Promise<End> {
  const { family = 4, host } = options;
  const end = await openHost(world, site, options);
  const transport = await end.dco.openTransport({
    protocol: "udp",
    ...(!options.transport?.adopt && {
      local: { address: outside(site, family), port: host === 1 && family === 4 ? SERVER_PORT : 0 },
    }),
    ...options.transport,
  });
  return { ...end, transport };
}

/** What goes on at both ends of a TCP connection: the server's transport, and the client's. */
export async function openConnection(
  server: { readonly site: Site; readonly dco: DcoInterface },
  client: { readonly site: Site; readonly dco: DcoInterface },
  options: { readonly family?: Family; readonly queueLimit?: number } = {},
): Promise<{ readonly server: Transport; readonly client: Transport }> {
  const { family = 4, ...transport } = options;
  const local = { address: outside(server.site, family), port: 0 };
  const listener = await server.dco.listen({ protocol: "tcp", local, ...transport });
  try {
    const remote = listener.local;
    const opened = await client.dco.openTransport({ protocol: "tcp", remote, ...transport });
    const accepted = listener[Symbol.asyncIterator]().next();
    const { value } = await inTime(accepted, `the connection of ${client.site.name}`);
    return { server: value as Transport, client: opened };
  } finally {
    await listener.close();
  }
}

/** How to join two ends. */
export interface ConnectOptions {
  /** Peer id at both ends. Default 1. */
  readonly id?: number;
  /** Default aes-256-gcm. */
  readonly cipher?: CipherName;
  readonly family?: Family;
  /** False: peers without keys. */
  readonly keys?: boolean;
  /** More for `addPeer` at the server's and the client's end. */
  readonly server?: Partial<AddPeerOptions>;
  readonly client?: Partial<AddPeerOptions>;
}

/** Adds each end to the other as a peer, and installs a fresh key with id 0. */
export async function connect(
  server: End,
  client: End,
  options: ConnectOptions = {},
): Promise<{ readonly server: PeerRef; readonly client: PeerRef }> {
  const { id = 1, cipher, family = 4 } = options;
  const peerOf = (own: End, other: End): AddPeerOptions => ({
    id,
    transport: own.transport,
    ...(own.transport.protocol === "udp" && {
      remote: seenFrom(own.site, reachable(other.site, other.transport, family)),
    }),
    ...(own.dco.mode === "multipeer" && { vpn: other.vpn }),
  });
  const refs = {
    server: await server.dco.addPeer({ ...peerOf(server, client), ...options.server }),
    client: await client.dco.addPeer({ ...peerOf(client, server), ...options.client }),
  };
  if (options.keys !== false) await installKeys(server, client, { id, cipher });
  return refs;
}

/** Installs one fresh key at both ends. */
export async function installKeys(
  server: End,
  client: End,
  options: {
    id?: number;
    keyId?: number;
    slot?: "primary" | "secondary";
    cipher?: CipherName | undefined;
  } = {},
): Promise<void> {
  const { id = 1, keyId = 0, slot = "primary", cipher } = options;
  const [forServer, forClient] = freshKeyPair(keyId, slot, cipher);
  await server.dco.installKey(id, forServer);
  await client.dco.installKey(id, forClient);
}

/** What {@link openTunnel} makes. */
export interface TunnelOptions extends ConnectOptions {
  /** Mode of the server's interface. Default multipeer. */
  readonly mode?: InterfaceMode;
  /** What carries it. Default: the world's. */
  readonly protocol?: TransportProtocol;
  /** Clients, 1 to 3. Default 1. Their peer ids are 1, 2 and 3, at both ends. */
  readonly clients?: number;
}

/** A server and its clients, ready for traffic. */
export interface Tunnel {
  /** Over TCP its transport is the first client's. */
  readonly server: End;
  readonly clients: readonly End[];
  /** The first client. */
  readonly client: End;
}

/** Opens a server and clients (p2p interfaces), and connects them. */
export async function openTunnel(world: World, options: TunnelOptions = {}): Promise<Tunnel> {
  const { protocol = world.protocol } = options;
  return protocol === "tcp" ? openTcpTunnel(world, options) : openUdpTunnel(world, options);
}

async function openTcpTunnel(world: World, options: TunnelOptions): Promise<Tunnel> {
  const { mode = "multipeer", clients: count = 1, family = 4 } = options;
  const server = await openHost(world, world.server, { mode, host: 1 });
  const clients: End[] = [];
  let first: Transport | undefined;
  for (const [at, site] of world.clients.slice(0, count).entries()) {
    const client = await openHost(world, site, { mode: "p2p", host: at + 2 });
    const transports = await openConnection(server, client, { family });
    first ??= transports.server;
    const end = { ...client, transport: transports.client };
    await connect({ ...server, transport: transports.server }, end, { ...options, id: options.id ?? at + 1 });
    clients.push(end);
  }
  return { server: { ...server, transport: first as Transport }, clients, client: clients[0] as End };
}

async function openUdpTunnel(world: World, options: TunnelOptions): Promise<Tunnel> {
  const { mode = "multipeer", clients: count = 1, family = 4 } = options;
  const server = await openEnd(world, world.server, { mode, family, host: 1 });
  const clients: End[] = [];
  for (const [at, site] of world.clients.slice(0, count).entries()) {
    const client = await openEnd(world, site, { mode: "p2p", family, host: at + 2 });
    await connect(server, client, { ...options, id: options.id ?? at + 1 });
    clients.push(client);
  }
  return { server, clients, client: clients[0] as End };
}

/** Every ping through the tunnel must be answered. */
export async function assertReaches(
  world: World,
  from: End | Site,
  to: string,
  options: PingOptions = {},
): Promise<void> {
  const site = "site" in from ? from.site : from;
  const { sent, received, output } = await world.ping(site, to, options);
  assert.ok(sent > 0, `nothing was sent from ${site.name} to ${to}: ${output}`);
  assert.equal(received, sent, `pings from ${site.name} to ${to} were lost: ${output}`);
}

/** No ping may be answered. */
export async function assertSilent(world: World, from: End | Site, to: string): Promise<void> {
  const site = "site" in from ? from.site : from;
  const { sent, received, output } = await world.ping(site, to, { count: 2, wait: 0.5 });
  assert.ok(sent > 0, `nothing was sent from ${site.name} to ${to}: ${output}`);
  assert.equal(received, 0, `pings from ${site.name} to ${to} were answered: ${output}`);
}
