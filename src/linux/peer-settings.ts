/**
 * A peer's addresses and settings, as the kernel wants them.
 */
import type { BackendTransport, IpAddress, PeerFields } from "../core/backend.ts";
import { mapIpv4, parseIp } from "../core/ip.ts";
import type { PeerSettings } from "./ovpn/requests.ts";

/** A peer's fields as the kernel wants them: an IPv6 socket has IPv4 addresses mapped. */
export function settingsOf(
  id: number,
  fields: PeerFields,
  transport: BackendTransport | undefined,
): PeerSettings {
  const { remote, local, keepalive } = fields;
  const mapped = transport?.family === 6;
  const bytes = (address: { family: 4 | 6; bytes: Uint8Array } | undefined) =>
    address && mapped && address.family === 4 ? mapIpv4(address.bytes) : address?.bytes;
  return {
    id,
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
  const { protocol, local } = transport;
  const bytes = protocol === "udp" && local ? parseIp(local.address) : undefined;
  if (!local || !bytes || bytes.every((byte) => byte === 0)) return undefined;
  const family = bytes.length === 4 ? 4 : 6;
  return remote?.family === family ? { family, bytes, text: local.address } : undefined;
}
