/**
 * The other end of an example: a server that stands ready, and what both have agreed on.
 */
import { randomBytes } from "node:crypto";
import { deriveDataKeys } from "../../../../src/core/key-derivation.ts";
import type { CipherName, Endpoint } from "../../../../src/core/model.ts";
import { eventually } from "../../../conformance/expect.ts";
import { type End, openEnd, outside, vpnOf } from "../../../conformance/tunnel.ts";
import type { Site, World } from "../../../conformance/world.ts";

export const PORT = 1194;
export const CIPHER: CipherName = "aes-256-gcm";

/** Keying material for both ends: each wipes its own. */
export function freshEkm(): [Uint8Array, Uint8Array] {
  const ekm = new Uint8Array(randomBytes(256));
  return [ekm, Uint8Array.from(ekm)];
}

/** A site's address with a port, as text: on a kernel of IPv6. */
export function outsideOf(site: Site, kernel: boolean): string {
  return kernel ? `[${site.ipv6}]:${PORT}` : `${site.ipv4}:${PORT}`;
}

/** A server of host number 1 that has no peers yet. */
export function openServer(world: World): Promise<End> {
  return openEnd(world, world.server, { mode: "multipeer", host: 1 });
}

/** Adds a client, of which only the address is known; it is found at its port by what it sends. */
export async function admit(
  server: End,
  client: { readonly id: number; readonly host: number; readonly remote: Endpoint },
  ekm: Uint8Array,
): Promise<void> {
  const { id, host, remote } = client;
  await server.dco.addPeer({ id, transport: server.transport, remote, vpn: vpnOf(host), replace: true });
  const keys = deriveDataKeys({ source: "tls-ekm", ekm }, "server", CIPHER);
  await server.dco.installKey(id, { slot: "primary", id: 0, cipher: CIPHER, ...keys, wipe: true });
}

/** Where nobody listens at a site: the peer moves to where its first packet comes from. */
export function somewhereAt(site: Site): Endpoint {
  return { address: outside(site), port: 9 };
}

/** The server's endpoint as text. */
export function remoteOf(server: End): string {
  return `${server.site.ipv4}:${server.transport.local?.port}`;
}

/** Waits until a host is reached: the example's end may still be on its way up. */
export async function untilReached(world: World, from: Site, to: string): Promise<void> {
  await eventually(
    `${from.name} reaches ${to}`,
    () => world.ping(from, to, { count: 1, wait: 1 }).catch(() => ({ received: 0 })),
    ({ received }) => received > 0,
    60_000,
  );
}

/** IPv4 and IPv6 inside. */
export async function untilBothReached(world: World, from: Site, host: number): Promise<void> {
  const { ipv4, ipv6 } = vpnOf(host);
  for (const address of [ipv4, ipv6]) await untilReached(world, from, address);
}
