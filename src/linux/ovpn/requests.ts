/**
 * Requests to the in-tree family `ovpn`, appended to a builder: attributes go straight into its buffer.
 *
 * All but the dump ask for an acknowledgement, so that every request ends with NLMSG_ERROR or NLMSG_DONE, unless the
 * sender takes that back (`NetlinkSocket.get`, `requestMany`). Key bytes stand nowhere but in the builder's buffer: call
 * `builder.wipe()` when the requests were sent.
 */

import type { MessageBuilder } from "../../netlink/codec/builder.ts";
import { NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from "../../netlink/codec/constants.ts";
import type { CipherAlgorithm, KeySlotName } from "./messages.ts";
import {
  CIPHER_ALGORITHMS,
  KEY_SLOTS,
  KEYCONF,
  KEYDIR,
  OVPN,
  OVPN_COMMANDS,
  OVPN_FAMILY_VERSION,
  PEER,
} from "./messages.ts";

/** Where a request goes. */
export interface OvpnTarget {
  /** The family's id, from `decodeFamily`. */
  readonly family: number;
  /** The interface's index, in the network namespace of the netlink socket. */
  readonly ifindex: number;
}

/** What peer-new and peer-set have in common. Addresses are 4 or 16 bytes in network order. */
export interface PeerSettings {
  readonly id: number;
  /** The remote address of a UDP peer; none for TCP. */
  readonly remoteAddress?: Uint8Array | undefined;
  /** Together with `remoteAddress`, 1 to 65535. */
  readonly remotePort?: number | undefined;
  /** Only with an IPv6 remote; 0 is left out. */
  readonly remoteScopeId?: number | undefined;
  /** The local address to send from; only with a remote of the same family. */
  readonly localAddress?: Uint8Array | undefined;
  /** Multi-peer only, and there at least one of the two. */
  readonly vpnIpv4?: Uint8Array | undefined;
  readonly vpnIpv6?: Uint8Array | undefined;
  /** Seconds; both or neither, and 0 in either switches both off. */
  readonly keepaliveInterval?: number | undefined;
  readonly keepaliveTimeout?: number | undefined;
  /** The id to write in outgoing packets when it is not `id`; from 7.1 on. */
  readonly txId?: number | undefined;
}

/** A peer to add. */
export interface NewPeer extends PeerSettings {
  /** The transport socket's descriptor in this process. */
  readonly socket: number;
}

/** One direction of a key. */
export interface KeyDirection {
  /** 16, 24 or 32 bytes. */
  readonly key: Uint8Array;
  /** 8 bytes. */
  readonly nonceTail: Uint8Array;
}

/** A key to install. */
export interface NewKey {
  readonly peer: number;
  readonly slot: KeySlotName;
  /** 0 to 7. */
  readonly keyId: number;
  readonly cipher: CipherAlgorithm;
  readonly encrypt: KeyDirection;
  readonly decrypt: KeyDirection;
}

/** Adds a peer. */
export function peerNew(builder: MessageBuilder, target: OvpnTarget, sequence: number, peer: NewPeer): void {
  const nest = beginPeer(builder, target, OVPN_COMMANDS.peerNew, sequence, peer.id);
  builder.u32(PEER.socket.number, peer.socket);
  appendSettings(builder, peer);
  end(builder, nest);
}

/** No process has one with this number. */
const NO_DESCRIPTOR = 0x7fffffff;

/**
 * Adds no peer: kernels that do not look at VPN addresses (before 7.2) refuse the socket, ENOTSOCK; the others, which let
 * no two peers have the same one either, refuse an address that is unspecified, EINVAL.
 */
export function vpnProbe(builder: MessageBuilder, target: OvpnTarget, sequence: number): void {
  peerNew(builder, target, sequence, { id: 0, socket: NO_DESCRIPTOR, vpnIpv4: new Uint8Array(4) });
}

/** Changes a peer: only what `settings` has is changed. */
export function peerSet(
  builder: MessageBuilder,
  target: OvpnTarget,
  sequence: number,
  settings: PeerSettings,
): void {
  const nest = beginPeer(builder, target, OVPN_COMMANDS.peerSet, sequence, settings.id);
  appendSettings(builder, settings);
  end(builder, nest);
}

/** Asks for one peer: a message for `decodePeer`, then an acknowledgement. */
export function peerGet(builder: MessageBuilder, target: OvpnTarget, sequence: number, peer: number): void {
  end(builder, beginPeer(builder, target, OVPN_COMMANDS.peerGet, sequence, peer));
}

/** Asks for all peers: messages for `decodePeer`, then NLMSG_DONE. */
export function peerDump(builder: MessageBuilder, target: OvpnTarget, sequence: number): void {
  begin(builder, target, OVPN_COMMANDS.peerGet, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  builder.endMessage();
}

/** Deletes a peer. */
export function peerDel(builder: MessageBuilder, target: OvpnTarget, sequence: number, peer: number): void {
  end(builder, beginPeer(builder, target, OVPN_COMMANDS.peerDel, sequence, peer));
}

/** Installs a key; one that is in the slot is replaced. */
export function keyNew(builder: MessageBuilder, target: OvpnTarget, sequence: number, key: NewKey): void {
  const nest = beginKey(builder, target, OVPN_COMMANDS.keyNew, sequence, key.peer);
  builder.u32(KEYCONF.slot.number, KEY_SLOTS[key.slot]);
  builder.u32(KEYCONF.keyId.number, key.keyId);
  builder.u32(KEYCONF.cipherAlg.number, CIPHER_ALGORITHMS[key.cipher]);
  appendDirection(builder, KEYCONF.encryptDir.number, key.encrypt);
  appendDirection(builder, KEYCONF.decryptDir.number, key.decrypt);
  end(builder, nest);
}

/** Asks which key is in a slot: a message for `decodeKey`, then an acknowledgement; ENOENT when none is. */
export function keyGet(
  builder: MessageBuilder,
  target: OvpnTarget,
  sequence: number,
  peer: number,
  slot: KeySlotName,
): void {
  const nest = beginKey(builder, target, OVPN_COMMANDS.keyGet, sequence, peer);
  builder.u32(KEYCONF.slot.number, KEY_SLOTS[slot]);
  end(builder, nest);
}

/** Exchanges the two slots. */
export function keySwap(builder: MessageBuilder, target: OvpnTarget, sequence: number, peer: number): void {
  end(builder, beginKey(builder, target, OVPN_COMMANDS.keySwap, sequence, peer));
}

/** Empties a slot; an empty one is no error. */
export function keyDel(
  builder: MessageBuilder,
  target: OvpnTarget,
  sequence: number,
  peer: number,
  slot: KeySlotName,
): void {
  const nest = beginKey(builder, target, OVPN_COMMANDS.keyDel, sequence, peer);
  builder.u32(KEYCONF.slot.number, KEY_SLOTS[slot]);
  end(builder, nest);
}

function begin(
  builder: MessageBuilder,
  { family, ifindex }: OvpnTarget,
  command: number,
  flags: number,
  sequence: number,
): void {
  builder.beginMessage(family, flags, sequence);
  builder.genlHeader(command, OVPN_FAMILY_VERSION);
  builder.u32(OVPN.ifindex.number, ifindex);
}

function beginPeer(
  builder: MessageBuilder,
  target: OvpnTarget,
  command: number,
  sequence: number,
  peer: number,
): number {
  begin(builder, target, command, NLM_F_REQUEST | NLM_F_ACK, sequence);
  const nest = builder.beginNest(OVPN.peer.number);
  builder.u32(PEER.id.number, peer);
  return nest;
}

function beginKey(
  builder: MessageBuilder,
  target: OvpnTarget,
  command: number,
  sequence: number,
  peer: number,
): number {
  begin(builder, target, command, NLM_F_REQUEST | NLM_F_ACK, sequence);
  const nest = builder.beginNest(OVPN.keyconf.number);
  builder.u32(KEYCONF.peerId.number, peer);
  return nest;
}

function end(builder: MessageBuilder, nest: number): void {
  builder.endNest(nest);
  builder.endMessage();
}

function appendSettings(builder: MessageBuilder, peer: PeerSettings): void {
  const { remoteAddress, localAddress, vpnIpv4, vpnIpv6 } = peer;
  if (remoteAddress !== undefined) {
    appendAddress(builder, PEER.remoteIpv4.number, PEER.remoteIpv6.number, remoteAddress);
  }
  if (peer.remoteScopeId) builder.u32(PEER.remoteIpv6ScopeId.number, peer.remoteScopeId);
  if (peer.remotePort !== undefined) builder.u16be(PEER.remotePort.number, peer.remotePort);
  if (localAddress !== undefined) {
    appendAddress(builder, PEER.localIpv4.number, PEER.localIpv6.number, localAddress);
  }
  if (vpnIpv4 !== undefined) builder.data(PEER.vpnIpv4.number, vpnIpv4);
  if (vpnIpv6 !== undefined) builder.data(PEER.vpnIpv6.number, vpnIpv6);
  if (peer.keepaliveInterval !== undefined) {
    builder.u32(PEER.keepaliveInterval.number, peer.keepaliveInterval);
  }
  if (peer.keepaliveTimeout !== undefined) builder.u32(PEER.keepaliveTimeout.number, peer.keepaliveTimeout);
  if (peer.txId !== undefined) builder.u32(PEER.txId.number, peer.txId);
}

/** The attribute follows from the address's length. */
function appendAddress(builder: MessageBuilder, ipv4: number, ipv6: number, address: Uint8Array): void {
  builder.data(address.length === 16 ? ipv6 : ipv4, address);
}

function appendDirection(builder: MessageBuilder, number: number, { key, nonceTail }: KeyDirection): void {
  const nest = builder.beginNest(number);
  builder.data(KEYDIR.cipherKey.number, key);
  builder.data(KEYDIR.nonceTail.number, nonceTail);
  builder.endNest(nest);
}
