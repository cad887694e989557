/**
 * Reads peer-get answers without their counters (see counters-reply.ts): the hot path of a dump, so written out instead
 * of driven by the table. The numbers are the table's.
 */

import { align4, NLA_HEADER } from "../../netlink/codec/constants.ts";
import { genlAttributes } from "../../netlink/codec/genl.ts";
import type { NetlinkMessage } from "../../netlink/codec/message.ts";
import { attributeLength, attributeType } from "../../netlink/codec/reader.ts";
import { malformed } from "../../netlink/codec/region.ts";
import { entriesOf } from "../../netlink/codec/table.ts";
import { OVPN, OVPN_COMMANDS, PEER } from "./messages.ts";

/** A peer as the kernel knows it. Addresses are 4 or 16 bytes in network order. */
export interface PeerReply {
  readonly id: number;
  /** Undefined for TCP, and for a UDP peer without one. */
  readonly remoteAddress: Uint8Array | undefined;
  readonly remotePort: number | undefined;
  /** 0 for IPv4, and where none is given. */
  readonly remoteScopeId: number;
  /** All zero while the kernel has not learnt it. */
  readonly localAddress: Uint8Array | undefined;
  readonly localPort: number | undefined;
  readonly vpnIpv4: Uint8Array | undefined;
  readonly vpnIpv6: Uint8Array | undefined;
  /** Seconds; 0 when off. */
  readonly keepaliveInterval: number;
  readonly keepaliveTimeout: number;
  /** The id of the transport socket's network namespace when it is not the requester's; -1 for one without id. */
  readonly socketNetnsId: number | undefined;
  /** From 7.1 on. */
  readonly txId: number | undefined;
}

const ID = PEER.id.number;
const REMOTE_IPV4 = PEER.remoteIpv4.number;
const REMOTE_IPV6 = PEER.remoteIpv6.number;
const REMOTE_SCOPE = PEER.remoteIpv6ScopeId.number;
const REMOTE_PORT = PEER.remotePort.number;
const SOCKET_NETNSID = PEER.socketNetnsid.number;
const VPN_IPV4 = PEER.vpnIpv4.number;
const VPN_IPV6 = PEER.vpnIpv6.number;
const LOCAL_IPV4 = PEER.localIpv4.number;
const LOCAL_IPV6 = PEER.localIpv6.number;
const LOCAL_PORT = PEER.localPort.number;
const INTERVAL = PEER.keepaliveInterval.number;
const TIMEOUT = PEER.keepaliveTimeout.number;
const TX_ID = PEER.txId.number;

/**
 * Reads an answer to peer-get, do or dump.
 *
 * @throws DcoError `protocol` for another command, without a peer or its id, and for an attribute of the wrong
 *   size
 */
export function decodePeer(message: NetlinkMessage): PeerReply {
  const { bytes, view, end } = message;
  let at = genlAttributes(message, OVPN_COMMANDS.peerGet);
  let peer: PeerReply | undefined;
  while (at < end) {
    const length = attributeLength(view, at, end);
    if (attributeType(view, at) === OVPN.peer.number) {
      peer = decodePeerNest(bytes, view, at + NLA_HEADER, at + length);
    }
    at += align4(length);
  }
  if (peer === undefined) throw malformed("peer", "missing");
  return peer;
}

function decodePeerNest(bytes: Uint8Array, view: DataView, start: number, end: number): PeerReply {
  let id = -1;
  let remoteAddress: Uint8Array | undefined;
  let remotePort: number | undefined;
  let remoteScopeId = 0;
  let localAddress: Uint8Array | undefined;
  let localPort: number | undefined;
  let vpnIpv4: Uint8Array | undefined;
  let vpnIpv6: Uint8Array | undefined;
  let keepaliveInterval = 0;
  let keepaliveTimeout = 0;
  let socketNetnsId: number | undefined;
  let txId: number | undefined;
  let at = start;
  while (at < end) {
    const length = attributeLength(view, at, end);
    const type = attributeType(view, at);
    const from = at + NLA_HEADER;
    const size = length - NLA_HEADER;
    switch (type) {
      case ID:
        id = u32(view, from, size, type);
        break;
      case REMOTE_IPV4:
        remoteAddress = address(bytes, from, size, 4, type);
        break;
      case REMOTE_IPV6:
        remoteAddress = address(bytes, from, size, 16, type);
        break;
      case REMOTE_SCOPE:
        remoteScopeId = u32(view, from, size, type);
        break;
      case REMOTE_PORT:
        remotePort = port(view, from, size, type);
        break;
      case SOCKET_NETNSID:
        socketNetnsId = u32(view, from, size, type) | 0;
        break;
      case VPN_IPV4:
        vpnIpv4 = address(bytes, from, size, 4, type);
        break;
      case VPN_IPV6:
        vpnIpv6 = address(bytes, from, size, 16, type);
        break;
      case LOCAL_IPV4:
        localAddress = address(bytes, from, size, 4, type);
        break;
      case LOCAL_IPV6:
        localAddress = address(bytes, from, size, 16, type);
        break;
      case LOCAL_PORT:
        localPort = port(view, from, size, type);
        break;
      case INTERVAL:
        keepaliveInterval = u32(view, from, size, type);
        break;
      case TIMEOUT:
        keepaliveTimeout = u32(view, from, size, type);
        break;
      case TX_ID:
        txId = u32(view, from, size, type);
        break;
    }
    at += align4(length);
  }
  if (id < 0) throw malformed("peer.id", "missing");
  return {
    id,
    remoteAddress,
    remotePort,
    remoteScopeId,
    localAddress,
    localPort,
    vpnIpv4,
    vpnIpv6,
    keepaliveInterval,
    keepaliveTimeout,
    socketNetnsId,
    txId,
  };
}

/** An attribute of four bytes. */
export function u32(view: DataView, at: number, size: number, type: number): number {
  if (size !== 4) throw wrongSize(type, size, "4");
  return view.getUint32(at, true);
}

function port(view: DataView, at: number, size: number, type: number): number {
  if (size !== 2) throw wrongSize(type, size, "2");
  return view.getUint16(at, false);
}

function address(bytes: Uint8Array, at: number, size: number, expected: 4 | 16, type: number): Uint8Array {
  if (size !== expected) throw wrongSize(type, size, String(expected));
  // For so few bytes several times as fast as slice().
  const copy = new Uint8Array(expected);
  for (let i = 0; i < expected; i++) copy[i] = bytes[at + i] as number;
  return copy;
}

/** For an attribute of a peer. */
export function wrongSize(type: number, size: number, expected: string): Error {
  return malformed(`peer.${entriesOf(PEER)[type]?.name}`, `${size} bytes, expected ${expected}`);
}
