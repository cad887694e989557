/**
 * The kernel's answers about peers, in the contract's words.
 */
import type { BackendPeer, BackendStats } from "../core/backend.ts";
import { formatIp } from "../core/ip.ts";
import type { Endpoint } from "../core/model.ts";
import type { CountersReply } from "./ovpn/counters-reply.ts";
import type { PeerReply } from "./ovpn/peer-reply.ts";
import { toEndpoint } from "./ovpn-events.ts";

/** fe80::/10. */
const LINK_LOCAL = /^fe[89ab][0-9a-f]:/;

/** A peer as core wants it. */
export function peerOf(reply: PeerReply): BackendPeer {
  const { remoteAddress, remotePort, keepaliveInterval, keepaliveTimeout } = reply;
  return {
    id: reply.id,
    remote: remoteAddress && toEndpoint(remoteAddress, remotePort ?? 0, reply.remoteScopeId),
    local: localOf(reply),
    vpn4: reply.vpnIpv4 && formatIp(reply.vpnIpv4),
    vpn6: reply.vpnIpv6 && formatIp(reply.vpnIpv6),
    // Either half at zero turns both off.
    keepalive:
      keepaliveInterval > 0 && keepaliveTimeout > 0
        ? { interval: keepaliveInterval, timeout: keepaliveTimeout }
        : "off",
    txId: reply.txId,
  };
}

/** Linux 6.16 leaves the interface of a link-local remote out of its answers: `scopeId` is what is known of it. */
export function withScope(peer: BackendPeer, scopeId: number | undefined): BackendPeer {
  const { remote } = peer;
  if (!scopeId || !remote || remote.scopeId || !LINK_LOCAL.test(remote.address)) return peer;
  return { ...peer, remote: { ...remote, scopeId } };
}

/** A peer's counters as core wants them. */
export function statsOf({ id, link, vpn }: CountersReply): BackendStats {
  return { id, link, tunnel: vpn };
}

/** The local address is all zero until the kernel has learnt it from a packet. */
function localOf({ localAddress, localPort }: PeerReply): Endpoint | undefined {
  if (localAddress === undefined || localAddress.every((byte) => byte === 0)) return undefined;
  return toEndpoint(localAddress, localPort ?? 0);
}
