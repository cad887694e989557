/**
 * A peer's addresses and settings, as the kernel wants them.
 */
import type { BackendTransport, IpAddress, PeerFields } from "../core/backend.ts";
import { mapIpv4, parseIp } from "../core/ip.ts";
import type { Endpoint } from "../core/model.ts";
import type { PeerSettings } from "./ovpn/requests.ts";

/**
 * A peer's fields as the kernel wants them: an IPv6 socket has IPv4 addresses mapped.
 *
 * @param local where packets to it come from, whatever `fields` say
 * @param socket the transport's descriptor, for a new peer
 */
export function settingsOf(
  id: number,
  fields: PeerFields,
  local: IpAddress | undefined,
  transport: BackendTransport | undefined,
  socket?: number,
): PeerSettings & { readonly socket: number | undefined } {
  const { remote, keepalive } = fields;
  const mapped = transport?.family === 6;
  const bytes = (address: { family: 4 | 6; bytes: Uint8Array } | undefined) =>
    address && mapped && address.family === 4 ? mapIpv4(address.bytes) : address?.bytes;
  return {
    id,
    socket,
    remoteAddress: bytes(remote),
    remotePort: remote?.port,
    remoteScopeId: remote?.scopeId,
    localAddress: bytes(local),
    vpnIpv4: fields.vpn4,
    vpnIpv6: fields.vpn6,
    keepaliveInterval: keepalive === "off" ? 0 : keepalive?.interval,
    keepaliveTimeout: keepalive === "off" ? 0 : keepalive?.timeout,
    txId: fields.txId,
  };
}

/**
 * The address that a UDP socket is bound to, if it is bound to one and the remote is of its family.
 *
 * The kernel sends data packets from whatever address the route prefers, unless it is told: the other end would
 * follow them there, and its answers would not reach the socket.
 */
export function boundSource(
  transport: BackendTransport,
  remote: IpAddress | undefined,
): IpAddress | undefined {
  if (transport.protocol !== "udp" || transport.local === undefined) return undefined;
  const bound = boundTo(transport.local);
  return bound && remote?.family === bound.family ? bound : undefined;
}

/** By the object that says where the socket is bound, which does not change. */
const bounds = new WeakMap<Endpoint, IpAddress | "any">();

function boundTo(local: Endpoint): IpAddress | undefined {
  let bound = bounds.get(local);
  if (bound === undefined) {
    const bytes = parseIp(local.address);
    const any = !bytes || bytes.every((byte) => byte === 0);
    bound = any ? "any" : { family: bytes.length === 4 ? 4 : 6, bytes, text: local.address };
    bounds.set(local, bound);
  }
  return bound === "any" ? undefined : bound;
}
