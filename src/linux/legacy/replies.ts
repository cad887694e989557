/**
 * Answers and the notification of the family `ovpn-dco-v2`, in the form of the in-tree family's.
 */
import { parseIp } from "../../core/ip.ts";
import { unpackSockaddr } from "../../ffi/sockaddr.ts";
import { decodeAttributes } from "../../netlink/codec/attributes.ts";
import { GENL_HEADER, genlAttributes, genlCommand } from "../../netlink/codec/genl.ts";
import type { NetlinkMessage } from "../../netlink/codec/message.ts";
import { malformed } from "../../netlink/codec/region.ts";
import type { Attributes } from "../../netlink/codec/table.ts";
import type { CountersReply } from "../ovpn/counters-reply.ts";
import { DELETE_REASONS } from "../ovpn/messages.ts";
import type { PeerReply } from "../ovpn/peer-reply.ts";
import type { OvpnNotification } from "../ovpn/replies.ts";
import { type GET_PEER, LEGACY, LEGACY_COMMANDS } from "./messages.ts";

/** Reads an answer to getPeer, do or dump. Errors: `protocol`. */
export function decodeLegacyPeer(message: NetlinkMessage): PeerReply {
  const peer = peerOf(message);
  const { keepaliveInterval = 0, keepaliveTimeout = 0 } = peer;
  return {
    id: required(peer.peerId, "peer-id"),
    ...remoteOf(peer.sockaddrRemote),
    localAddress: peer.localIp,
    localPort: peer.localPort,
    vpnIpv4: peer.ipv4,
    vpnIpv6: peer.ipv6,
    keepaliveInterval,
    keepaliveTimeout,
    socketNetnsId: undefined,
    txId: undefined,
  };
}

/** Reads the counters of an answer to getPeer. Errors: `protocol`. */
export function decodeLegacyCounters(message: NetlinkMessage): CountersReply {
  return countersOf(peerOf(message));
}

/** Reads a message of the multicast group: there is one kind, of a peer's end. */
export function decodeLegacyNotification(message: NetlinkMessage): OvpnNotification {
  const command = genlCommand(message);
  if (command !== LEGACY_COMMANDS.delPeer) return { type: "unknown", command };
  const { ifindex, delPeer = {} } = decodeAttributes(LEGACY, message, message.start + GENL_HEADER);
  const reason = required(delPeer.reason, "del-peer.reason");
  return {
    type: "peer-del-ntf",
    ifindex: required(ifindex, "ifindex"),
    peer: required(delPeer.peerId, "del-peer.peer-id"),
    reason: DELETE_REASONS[reason] ?? reason,
  };
}

type LegacyPeer = Attributes<typeof GET_PEER>;

function peerOf(message: NetlinkMessage): LegacyPeer {
  const from = genlAttributes(message, LEGACY_COMMANDS.getPeer);
  return required(decodeAttributes(LEGACY, message, from).getPeer, "get-peer");
}

function countersOf(peer: LegacyPeer): CountersReply {
  return {
    id: required(peer.peerId, "get-peer.peer-id"),
    vpn: {
      rxBytes: peer.vpnRxBytes ?? 0n,
      txBytes: peer.vpnTxBytes ?? 0n,
      rxPackets: BigInt(peer.vpnRxPackets ?? 0),
      txPackets: BigInt(peer.vpnTxPackets ?? 0),
    },
    link: {
      rxBytes: peer.linkRxBytes ?? 0n,
      txBytes: peer.linkTxBytes ?? 0n,
      rxPackets: BigInt(peer.linkRxPackets ?? 0),
      txPackets: BigInt(peer.linkTxPackets ?? 0),
    },
  };
}

function remoteOf(
  sockaddr: Uint8Array | undefined,
): Pick<PeerReply, "remoteAddress" | "remotePort" | "remoteScopeId"> {
  if (sockaddr === undefined) return { remoteAddress: undefined, remotePort: undefined, remoteScopeId: 0 };
  const remote = unpackSockaddr(sockaddr, "linux");
  if (remote === undefined) throw malformed("get-peer.sockaddr-remote", "not an IP socket's address");
  return {
    remoteAddress: parseIp(remote.address),
    remotePort: remote.port,
    remoteScopeId: remote.scopeId ?? 0,
  };
}

function required<T>(value: T | undefined, path: string): T {
  if (value === undefined) throw malformed(path, "missing");
  return value;
}
