/**
 * Requests to `ovpn-dco-win` as bytes, and its answers as objects. Pure.
 */
import type { IpEndpoint, IpPrefix, KeyRequest, NativeDeleteReason } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { formatIp, mapIpv4, unmapIpv4 } from "../core/ip.ts";
import type { Endpoint, InterfaceMode } from "../core/model.ts";
import { AF_INET, AF_INET6, packSockaddrBytes, unpackSockaddr } from "../ffi/sockaddr.ts";
import { ENUMS, type Field, MOST_RECEIVED, OVPN_KEY_DIRECTION, STRUCTS, type Struct } from "./ioctl.ts";

/** What the requests take, by name; times are seconds. */
export interface Requests {
  SET_MODE: { readonly mode: InterfaceMode };
  /** Without a local address: any of the remote's family. */
  NEW_PEER: {
    readonly local: IpEndpoint | undefined;
    readonly remote: IpEndpoint;
    readonly protocol: "udp" | "tcp";
  };
  START_VPN: undefined;
  SET_PEER: { readonly interval: number; readonly timeout: number };
  DEL_PEER: undefined;
  SWAP_KEYS: undefined;
  /** In p2p mode the peer id is only what is written on the wire. */
  NEW_KEY: { readonly peer: number; readonly key: KeyRequest };
  MP_START_VPN: { readonly listen: IpEndpoint; readonly ipv6Only: boolean };
  MP_NEW_PEER: {
    readonly peer: number;
    /** Of the listener's socket: an IPv6 one takes IPv4 addresses mapped. */
    readonly family: 4 | 6;
    readonly remote: IpEndpoint;
    readonly vpn4: Uint8Array | undefined;
    readonly vpn6: Uint8Array | undefined;
  };
  MP_SET_PEER: { readonly peer: number; readonly interval: number; readonly timeout: number };
  MP_DEL_PEER: { readonly peer: number };
  MP_SWAP_KEYS: { readonly peer: number };
  MP_ADD_IROUTE: { readonly peer: number; readonly prefix: IpPrefix };
  MP_DEL_IROUTE: { readonly prefix: IpPrefix };
  /** -1: all peers. */
  GET_PEER_STATS: { readonly peer: number };
  GET_STATS: undefined;
  GET_VERSION: undefined;
  NOTIFY_EVENT: undefined;
}

/** What they answer, where they answer anything. */
export interface Replies {
  MP_START_VPN: { readonly local: Endpoint };
  GET_PEER_STATS: readonly PeerStatsReply[];
  GET_STATS: DeviceStats;
  GET_VERSION: DriverVersion;
  NOTIFY_EVENT: Notification;
}

export type Command = keyof Requests;

/** The answer to a request; undefined where there is none. */
export type Reply<C extends Command> = C extends keyof Replies ? Replies[C] : undefined;

/** The driver's version. */
export interface DriverVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** An event of the multi-peer mode. */
export interface Notification {
  readonly command: number;
  readonly peer: number;
  readonly reason: number;
  readonly address: Endpoint | undefined;
}

/** Bytes only. */
export interface PeerStatsReply {
  readonly peer: number;
  readonly linkRxBytes: bigint;
  readonly linkTxBytes: bigint;
  readonly vpnRxBytes: bigint;
  readonly vpnTxBytes: bigint;
}

/** Those counters of the whole device that every version keeps. */
export type DeviceStats = Omit<PeerStatsReply, "peer">;

/** A packet as the device handle gives and takes it: with an address in multi-peer mode, without in p2p. */
export interface Packet {
  readonly address: Endpoint | undefined;
  readonly data: Uint8Array;
}

const REASONS = new Map<number, NativeDeleteReason>(
  Object.entries(ENUMS.OVPN_DEL_PEER_REASON).map(([name, number]) => [number, name as NativeDeleteReason]),
);

/** Why a peer was deleted. */
export function reasonOf(number: number): NativeDeleteReason {
  return REASONS.get(number) ?? "unknown";
}

/** Room for an answer, by request; those that are not here answer nothing. */
export const REPLY_BYTES: Readonly<Partial<Record<Command, number>>> = {
  MP_START_VPN: STRUCTS.OVPN_MP_START_VPN.size,
  GET_STATS: STRUCTS.OVPN_STATS.size,
  GET_VERSION: STRUCTS.OVPN_VERSION.size,
  // With less the driver gives the event away.
  NOTIFY_EVENT: STRUCTS.OVPN_NOTIFY_EVENT.size,
  GET_PEER_STATS: 64 * STRUCTS.OVPN_PEER_STATS.size,
};

const SOCKADDR_IN = 16;
const SOCKADDR_IN6 = 28;

/** Room for a packet with the longest address before it. */
export const READ_BYTES = SOCKADDR_IN6 + MOST_RECEIVED;

const WINDOWS = "win32";

type Encoders = { readonly [C in Command]: (input: Requests[C]) => Buffer };

const nothing = (): Buffer => Buffer.alloc(0);

const ENCODERS: Encoders = {
  START_VPN: nothing,
  DEL_PEER: nothing,
  SWAP_KEYS: nothing,
  GET_STATS: nothing,
  GET_VERSION: nothing,
  NOTIFY_EVENT: nothing,
  SET_MODE: ({ mode }) => {
    const bytes = make(STRUCTS.OVPN_SET_MODE);
    put(bytes, STRUCTS.OVPN_SET_MODE.fields.Mode, ENUMS.OVPN_MODE[mode]);
    return bytes;
  },
  NEW_PEER: ({ local, remote, protocol }) => {
    const { fields } = STRUCTS.OVPN_NEW_PEER;
    const bytes = make(STRUCTS.OVPN_NEW_PEER);
    const family = local?.family ?? remote.family;
    putAddress(bytes, fields.Local, local, family);
    putAddress(bytes, fields.Remote, remote, family);
    put(bytes, fields.Proto, ENUMS.OVPN_PROTO[protocol]);
    return bytes;
  },
  SET_PEER: ({ interval, timeout }) => {
    const { fields } = STRUCTS.OVPN_SET_PEER;
    const bytes = make(STRUCTS.OVPN_SET_PEER);
    put(bytes, fields.KeepaliveInterval, seconds(interval));
    put(bytes, fields.KeepaliveTimeout, seconds(timeout));
    return bytes;
  },
  NEW_KEY: ({ peer, key }) => {
    const { fields } = STRUCTS.OVPN_CRYPTO_DATA;
    const bytes = make(STRUCTS.OVPN_CRYPTO_DATA);
    putDirection(bytes, fields.Encrypt, key.encryptKey, key.encryptNonceTail);
    putDirection(bytes, fields.Decrypt, key.decryptKey, key.decryptNonceTail);
    put(bytes, fields.KeySlot, ENUMS.OVPN_KEY_SLOT[key.slot]);
    put(bytes, fields.CipherAlg, ENUMS.OVPN_CIPHER_ALG[key.cipher]);
    bytes.writeUInt8(key.id, fields.KeyId[0]);
    put(bytes, fields.PeerId, peer);
    return bytes;
  },
  MP_START_VPN: ({ listen, ipv6Only }) => {
    const { fields } = STRUCTS.OVPN_MP_START_VPN;
    const bytes = make(STRUCTS.OVPN_MP_START_VPN);
    putAddress(bytes, fields.ListenAddress, listen, listen.family);
    put(bytes, fields.IPv6Only, ipv6Only ? 1 : 0);
    return bytes;
  },
  MP_NEW_PEER: ({ peer, family, remote, vpn4, vpn6 }) => {
    const { fields } = STRUCTS.OVPN_MP_NEW_PEER;
    const bytes = make(STRUCTS.OVPN_MP_NEW_PEER);
    // Not used but for its family, which must be a valid one.
    putAddress(bytes, fields.Local, undefined, family);
    putAddress(bytes, fields.Remote, remote, family);
    if (vpn4) bytes.set(vpn4, fields.VpnAddr4[0]);
    if (vpn6) bytes.set(vpn6, fields.VpnAddr6[0]);
    put(bytes, fields.PeerId, peer);
    return bytes;
  },
  MP_SET_PEER: ({ peer, interval, timeout }) => {
    const { fields } = STRUCTS.OVPN_MP_SET_PEER;
    const bytes = make(STRUCTS.OVPN_MP_SET_PEER);
    put(bytes, fields.PeerId, peer);
    put(bytes, fields.KeepaliveInterval, seconds(interval));
    put(bytes, fields.KeepaliveTimeout, seconds(timeout));
    return bytes;
  },
  MP_DEL_PEER: ({ peer }) => onlyPeer(STRUCTS.OVPN_MP_DEL_PEER, peer),
  MP_SWAP_KEYS: ({ peer }) => onlyPeer(STRUCTS.OVPN_MP_SWAP_KEYS, peer),
  GET_PEER_STATS: ({ peer }) => onlyPeer(STRUCTS.OVPN_GET_PEER_STATS, peer),
  MP_ADD_IROUTE: ({ peer, prefix }) => iroute(peer, prefix),
  // The driver does not look at the peer; OpenVPN sends -1.
  MP_DEL_IROUTE: ({ prefix }) => iroute(-1, prefix),
};

/** The bytes of a request. Those of a key are a copy: the caller zeroes it. */
export function encodeRequest<C extends Command>(command: C, input: Requests[C]): Buffer {
  return ENCODERS[command](input);
}

/** Parts of a request that are no one's business: the two directions of a key. */
export function secretRange(command: Command): Field | undefined {
  return command === "NEW_KEY" ? [0, 2 * OVPN_KEY_DIRECTION.size] : undefined;
}

/** The answer's bytes as an object. Errors: `protocol`. */
export function decodeReply<C extends Command>(command: C, bytes: Buffer): Reply<C> {
  return DECODERS[command]?.(bytes) as Reply<C>;
}

const DECODERS: Readonly<Partial<Record<Command, (bytes: Buffer) => unknown>>> = {
  MP_START_VPN: (bytes) => {
    need("MP_START_VPN", bytes, STRUCTS.OVPN_MP_START_VPN.fields.ListenAddress[1]);
    const local = readAddress(bytes);
    if (local) return { local };
    throw new DcoError("protocol", "the answer to MP_START_VPN has no address");
  },
  GET_VERSION: (bytes) => {
    need("GET_VERSION", bytes, STRUCTS.OVPN_VERSION.size);
    const { Major, Minor, Patch } = STRUCTS.OVPN_VERSION.fields;
    return { major: get(bytes, Major), minor: get(bytes, Minor), patch: get(bytes, Patch) };
  },
  GET_STATS: (bytes): DeviceStats => {
    need("GET_STATS", bytes, STRUCTS.OVPN_STATS.size);
    const { fields } = STRUCTS.OVPN_STATS;
    return {
      linkRxBytes: getLong(bytes, fields.TransportBytesReceived),
      linkTxBytes: getLong(bytes, fields.TransportBytesSent),
      vpnRxBytes: getLong(bytes, fields.TunBytesReceived),
      vpnTxBytes: getLong(bytes, fields.TunBytesSent),
    };
  },
  GET_PEER_STATS: (bytes): PeerStatsReply[] => {
    const { size, fields } = STRUCTS.OVPN_PEER_STATS;
    if (bytes.length % size !== 0) {
      throw new DcoError("protocol", `the answer to GET_PEER_STATS has ${bytes.length} bytes`);
    }
    const all: PeerStatsReply[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      const one = bytes.subarray(at, at + size);
      all.push({
        peer: get(one, fields.PeerId),
        linkRxBytes: getLong(one, fields.LinkRxBytes),
        linkTxBytes: getLong(one, fields.LinkTxBytes),
        vpnRxBytes: getLong(one, fields.VpnRxBytes),
        vpnTxBytes: getLong(one, fields.VpnTxBytes),
      });
    }
    return all;
  },
  NOTIFY_EVENT: (bytes): Notification => {
    const { fields } = STRUCTS.OVPN_NOTIFY_EVENT;
    // Drivers before 2.6 have no address to tell, and stop before it.
    need("NOTIFY_EVENT", bytes, fields.DelPeerReason[0] + fields.DelPeerReason[1]);
    const command = get(bytes, fields.Cmd);
    const floats = command === ENUMS.OVPN_NOTIFY_CMD.FLOAT_PEER;
    return {
      command,
      peer: get(bytes, fields.PeerId),
      reason: get(bytes, fields.DelPeerReason),
      address: floats ? readAddress(bytes.subarray(fields.FloatAddress[0])) : undefined,
    };
  },
};

/** How many bytes the statistics need, as the driver says where they did not fit. */
export function neededBytes(bytes: Buffer): number {
  need("GET_PEER_STATS", bytes, 4);
  return bytes.readUInt32LE(0);
}

/** A control packet as ReadFile gives it. Errors: `protocol` where it has no address and should. */
export function decodePacket(bytes: Buffer, mode: InterfaceMode): Packet {
  if (mode === "p2p") return { address: undefined, data: Uint8Array.from(bytes) };
  const address = readAddress(bytes);
  if (address === undefined) throw new DcoError("protocol", "a packet came without an address");
  const length = bytes.readUInt16LE(0) === AF_INET ? SOCKADDR_IN : SOCKADDR_IN6;
  return { address, data: Uint8Array.from(bytes.subarray(length)) };
}

/** A control packet as WriteFile takes it. @param to undefined in p2p mode */
export function encodePacket(data: Uint8Array, to: IpEndpoint | undefined, family: 4 | 6): Buffer {
  if (to === undefined) return Buffer.from(data);
  return Buffer.concat([socketAddress(to, family), data]);
}

function make({ size }: Struct): Buffer {
  return Buffer.alloc(size);
}

function put(bytes: Buffer, [offset]: Field, value: number): void {
  bytes.writeInt32LE(value, offset);
}

function get(bytes: Buffer, [offset]: Field): number {
  return bytes.readInt32LE(offset);
}

function getLong(bytes: Buffer, [offset]: Field): bigint {
  return bytes.readBigUInt64LE(offset);
}

function onlyPeer(layout: Struct<"PeerId">, peer: number): Buffer {
  const bytes = make(layout);
  put(bytes, layout.fields.PeerId, peer);
  return bytes;
}

/** A negative time means "as it is", and drivers before 2.5 never set a timeout again after one. */
function seconds(value: number): number {
  if (Number.isInteger(value) && value >= 0) return value;
  throw new DcoError("invalid", "a time of keepalive is not a number of seconds");
}

function putDirection(bytes: Buffer, [at]: Field, key: Uint8Array, nonceTail: Uint8Array): void {
  const { Key, KeyLen, NonceTail } = OVPN_KEY_DIRECTION.fields;
  if (key.length > Key[1] || nonceTail.length !== NonceTail[1]) {
    throw new DcoError("invalid", "a key or its nonce tail has a wrong length");
  }
  bytes.set(key, at + Key[0]);
  bytes.writeUInt8(key.length, at + KeyLen[0]);
  bytes.set(nonceTail, at + NonceTail[0]);
}

function putAddress(bytes: Buffer, [offset]: Field, endpoint: IpEndpoint | undefined, family: 4 | 6): void {
  bytes.set(endpoint ? socketAddress(endpoint, family) : anyAddress(family), offset);
}

/** As a socket of this family wants it: an IPv6 one takes IPv4 addresses mapped. */
function socketAddress({ bytes, port, scopeId }: IpEndpoint, family: 4 | 6): Buffer {
  return packSockaddrBytes(family === 6 ? mapIpv4(bytes) : bytes, port, scopeId, WINDOWS);
}

function anyAddress(family: 4 | 6): Buffer {
  return packSockaddrBytes(new Uint8Array(family === 6 ? 16 : 4), 0, 0, WINDOWS);
}

/** IPv4-mapped addresses become IPv4. Undefined for what is no address. */
function readAddress(bytes: Buffer): Endpoint | undefined {
  const found = unpackSockaddr(bytes, WINDOWS);
  if (found === undefined) return undefined;
  const { port, scopeId } = found;
  if (bytes.readUInt16LE(0) !== AF_INET6[WINDOWS]) return { address: found.address, port };
  const address = formatIp(unmapIpv4(bytes.subarray(8, 24)));
  return scopeId ? { address, port, scopeId } : { address, port };
}

function iroute(peer: number, { bytes: address, length, family }: IpPrefix): Buffer {
  const { fields } = STRUCTS.OVPN_MP_IROUTE;
  const bytes = make(STRUCTS.OVPN_MP_IROUTE);
  bytes.set(address, fields.Addr[0]);
  put(bytes, fields.Netbits, length);
  put(bytes, fields.PeerId, peer);
  put(bytes, fields.IPv6, family === 6 ? 1 : 0);
  return bytes;
}

function need(command: string, bytes: Buffer, length: number): void {
  if (bytes.length >= length) return;
  throw new DcoError("protocol", `the answer to ${command} has ${bytes.length} of ${length} bytes`);
}
