/**
 * Requests to the family `ovpn-dco-v2`, appended to a builder. All but the dump ask for an acknowledgement.
 *
 * They take what those of the in-tree family take; what the module does not have is not asked of it (capabilities).
 */
import { packSockaddrBytes } from "../../ffi/sockaddr.ts";
import type { MessageBuilder } from "../../netlink/codec/builder.ts";
import { NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from "../../netlink/codec/constants.ts";
import { CIPHER_ALGORITHMS, KEY_SLOTS, type KeySlotName } from "../ovpn/messages.ts";
import type { KeyDirection, NewKey, NewPeer, OvpnTarget, PeerSettings } from "../ovpn/requests.ts";
import {
  DEL_KEY,
  DEL_PEER,
  GET_PEER,
  KEY_DIRECTION,
  LEGACY,
  LEGACY_COMMANDS,
  LEGACY_FAMILY_VERSION,
  NEW_KEY,
  NEW_PEER,
  SET_PEER,
  SWAP_KEYS,
} from "./messages.ts";

/** No process has so many descriptors. */
const NO_DESCRIPTOR = 0x7fffffff;

/** Adds a peer. A remote that is an IPv4 address mapped to IPv6 is an IPv4 one to the module. */
export function newPeer(builder: MessageBuilder, target: OvpnTarget, sequence: number, peer: NewPeer): void {
  const { remoteAddress, remotePort = 0, remoteScopeId, localAddress, vpnIpv4, vpnIpv6 } = peer;
  const nest = begin(builder, target, "newPeer", sequence);
  builder.u32(NEW_PEER.peerId.number, peer.id);
  if (remoteAddress !== undefined) {
    const sockaddr = packSockaddrBytes(remoteAddress, remotePort, remoteScopeId, "linux");
    builder.data(NEW_PEER.sockaddrRemote.number, sockaddr);
  }
  builder.u32(NEW_PEER.socket.number, peer.socket);
  if (vpnIpv4 !== undefined) builder.data(NEW_PEER.ipv4.number, vpnIpv4);
  if (vpnIpv6 !== undefined) builder.data(NEW_PEER.ipv6.number, vpnIpv6);
  if (localAddress !== undefined) builder.data(NEW_PEER.localIp.number, localAddress);
  end(builder, nest);
}

/** Sets both halves of the keepalive; with one alone the module does nothing and says that it went well. */
export function setPeer(
  builder: MessageBuilder,
  target: OvpnTarget,
  sequence: number,
  { id, keepaliveInterval = 0, keepaliveTimeout = 0 }: PeerSettings,
): void {
  const nest = begin(builder, target, "setPeer", sequence);
  builder.u32(SET_PEER.peerId.number, id);
  builder.u32(SET_PEER.keepaliveInterval.number, keepaliveInterval);
  builder.u32(SET_PEER.keepaliveTimeout.number, keepaliveTimeout);
  end(builder, nest);
}

/** Asks for one peer: a message for `decodeLegacyPeer`, then an acknowledgement. */
export function getPeer(builder: MessageBuilder, target: OvpnTarget, sequence: number, peer: number): void {
  const nest = begin(builder, target, "getPeer", sequence);
  builder.u32(GET_PEER.peerId.number, peer);
  end(builder, nest);
}

/** Asks for all peers of a multi-peer interface; one in p2p mode answers that it has none, whatever it has. */
export function dumpPeers(builder: MessageBuilder, target: OvpnTarget, sequence: number): void {
  beginMessage(builder, target, "getPeer", NLM_F_REQUEST | NLM_F_DUMP, sequence);
  builder.endMessage();
}

/** Deletes a peer; the module releases its socket, and tells of it, some time after the acknowledgement. */
export function delPeer(builder: MessageBuilder, target: OvpnTarget, sequence: number, peer: number): void {
  const nest = begin(builder, target, "delPeer", sequence);
  builder.u32(DEL_PEER.peerId.number, peer);
  end(builder, nest);
}

/** Installs a key; one that is in the slot is replaced. */
export function newKey(builder: MessageBuilder, target: OvpnTarget, sequence: number, key: NewKey): void {
  const nest = begin(builder, target, "newKey", sequence);
  builder.u32(NEW_KEY.peerId.number, key.peer);
  builder.u8(NEW_KEY.keySlot.number, KEY_SLOTS[key.slot]);
  builder.u8(NEW_KEY.keyId.number, key.keyId);
  builder.u16(NEW_KEY.cipherAlg.number, CIPHER_ALGORITHMS[key.cipher]);
  appendDirection(builder, NEW_KEY.encryptKey.number, key.encrypt);
  appendDirection(builder, NEW_KEY.decryptKey.number, key.decrypt);
  end(builder, nest);
}

/** Exchanges the two slots. */
export function swapKeys(builder: MessageBuilder, target: OvpnTarget, sequence: number, peer: number): void {
  const nest = begin(builder, target, "swapKeys", sequence);
  builder.u32(SWAP_KEYS.peerId.number, peer);
  end(builder, nest);
}

/** Empties a slot; an empty one is no error. */
export function delKey(
  builder: MessageBuilder,
  target: OvpnTarget,
  sequence: number,
  peer: number,
  slot: KeySlotName,
): void {
  const nest = begin(builder, target, "delKey", sequence);
  builder.u32(DEL_KEY.peerId.number, peer);
  builder.u8(DEL_KEY.keySlot.number, KEY_SLOTS[slot]);
  end(builder, nest);
}

/**
 * A peer without VPN address and without a socket, which no interface takes: the module looks first for what its mode
 * needs (EINVAL in multi-peer mode), then for the socket (ENOTSOCK).
 */
export function modeProbe(builder: MessageBuilder, target: OvpnTarget, sequence: number): void {
  newPeer(builder, target, sequence, { id: 0, socket: NO_DESCRIPTOR });
}

type Command = keyof typeof LEGACY_COMMANDS;

function beginMessage(
  builder: MessageBuilder,
  { family, ifindex }: OvpnTarget,
  command: Command,
  flags: number,
  sequence: number,
): void {
  builder.beginMessage(family, flags, sequence);
  builder.genlHeader(LEGACY_COMMANDS[command], LEGACY_FAMILY_VERSION);
  builder.u32(LEGACY.ifindex.number, ifindex);
}

/** A command's attributes stand in the nest of its name. */
function begin(builder: MessageBuilder, target: OvpnTarget, command: Command, sequence: number): number {
  beginMessage(builder, target, command, NLM_F_REQUEST | NLM_F_ACK, sequence);
  return builder.beginNest(LEGACY[command].number);
}

function end(builder: MessageBuilder, nest: number): void {
  builder.endNest(nest);
  builder.endMessage();
}

function appendDirection(builder: MessageBuilder, number: number, { key, nonceTail }: KeyDirection): void {
  const nest = builder.beginNest(number);
  builder.data(KEY_DIRECTION.cipherKey.number, key);
  builder.data(KEY_DIRECTION.nonceTail.number, nonceTail);
  builder.endNest(nest);
}
