/**
 * The requests of `if_ovpn` and what it answers, as name-value lists. Numbers and names from sys/net/if_ovpn.h and .c.
 */
import type { IpEndpoint } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { formatIp, mapIpv4, unmapIpv4 } from "../core/ip.ts";
import type { CipherName, Endpoint, KeySlot } from "../core/model.ts";
import { type NvList, nvBinary, nvGet, nvNested, nvNumber, nvString } from "./nvlist/list.ts";

/** `ifd_cmd` of what SIOCSDRVSPEC takes. */
export const SET = {
  NEW_PEER: 0x20004401,
  DEL_PEER: 0x20004402,
  NEW_KEY: 0x20004404,
  SWAP_KEYS: 0x20004405,
  DEL_KEY: 0x20004406,
  SET_PEER: 0x20004407,
  START_VPN: 0x20004408,
  SET_IFMODE: 0x2000440c,
} as const;

/** `ifd_cmd` of what SIOCGDRVSPEC answers. */
export const GET = {
  POLL_PKT: 0x2000440a,
  GET_PKT: 0x2000440b,
  GET_PEER_STATS: 0x2000440d,
} as const;

export type SetCommand = keyof typeof SET;
export type GetCommand = keyof typeof GET;

const AF_INET = 2;
const AF_INET6 = 28;
const SLOTS: Readonly<Record<KeySlot, number>> = { primary: 0, secondary: 1 };

/** An address in the family of the socket: an IPv6 one has IPv4 addresses mapped. */
export type PeerAddress = Pick<IpEndpoint, "bytes" | "port" | "scopeId">;

/** What NEW_PEER takes. */
export interface NewPeer {
  readonly id: number;
  readonly fd: number;
  /** Of the socket. */
  readonly family: 4 | 6;
  readonly remote: PeerAddress;
  readonly local: PeerAddress | undefined;
  readonly vpn4: Uint8Array | undefined;
  readonly vpn6: Uint8Array | undefined;
}

/** One direction of a key. The arrays are not copied. */
export interface KeyDirection {
  readonly key: Uint8Array;
  readonly nonceTail: Uint8Array;
}

/** What NEW_KEY takes. */
export interface NewKey {
  readonly peer: number;
  readonly slot: KeySlot;
  readonly keyId: number;
  readonly cipher: CipherName;
  readonly encrypt: KeyDirection;
  readonly decrypt: KeyDirection;
}

export function newPeer(peer: NewPeer): NvList {
  const { family, local, vpn4, vpn6 } = peer;
  return [
    ...(local ? [nvNested("local", addressList(local, family))] : []),
    nvNested("remote", addressList(peer.remote, family)),
    ...(vpn4 ? [nvBinary("vpn_ipv4", vpn4)] : []),
    ...(vpn6 ? [nvBinary("vpn_ipv6", vpn6)] : []),
    nvNumber("fd", peer.fd),
    nvNumber("peerid", peer.id),
  ];
}

/** For SWAP_KEYS and DEL_PEER. */
export function onlyPeer(id: number): NvList {
  return [nvNumber("peerid", id)];
}

/** Seconds. 0 would not switch off what is on, but let it fire at once. */
export function setPeer(id: number, keepalive: { interval: number; timeout: number }): NvList {
  return [
    nvNumber("peerid", id),
    nvNumber("interval", keepalive.interval),
    nvNumber("timeout", keepalive.timeout),
  ];
}

export function newKey({ peer, slot, keyId, cipher, encrypt, decrypt }: NewKey): NvList {
  // Names are case-sensitive; the size of an AES key is taken from the key.
  const name = cipher.toUpperCase();
  const direction = ({ key, nonceTail }: KeyDirection) => [
    nvString("cipher", name),
    nvBinary("key", key),
    nvBinary("iv", nonceTail),
  ];
  return [
    nvNumber("slot", SLOTS[slot]),
    nvNumber("keyid", keyId),
    nvNumber("peerid", peer),
    nvNested("encrypt", direction(encrypt)),
    nvNested("decrypt", direction(decrypt)),
  ];
}

export function delKey(peer: number, slot: KeySlot): NvList {
  return [nvNumber("slot", SLOTS[slot]), nvNumber("peerid", peer)];
}

/** @param flags interface flags: IFF_BROADCAST or IFF_POINTOPOINT, and IFF_MULTICAST */
export function setIfMode(flags: number): NvList {
  return [nvNumber("ifmode", flags)];
}

/** Inner packets or bytes of a peer, both ways. */
export interface InOut {
  readonly in: bigint;
  readonly out: bigint;
}

/** What a peer has carried; without packets where the kernel had no memory to tell. */
export interface PeerCounters {
  readonly packets: InOut;
  readonly bytes: InOut;
}

/** One peer of GET_PEER_STATS. */
export interface PeerStatsReply extends PeerCounters {
  readonly id: number;
}

/** What GET_PKT answers. */
export type Notification =
  | {
      readonly type: "deleted";
      readonly peer: number;
      /** OVPN_DEL_REASON: 0 requested, 1 timeout. */
      readonly reason: number;
      readonly counters: PeerCounters | undefined;
    }
  | { readonly type: "rotate-key"; readonly peer: number }
  | { readonly type: "float"; readonly peer: number; readonly remote: Endpoint }
  | { readonly type: "unknown"; readonly peer: number; readonly number: number };

/** Events that wait. */
export function readPending(list: NvList): number {
  return Number(required(nvGet(list, "pending", "number"), "pending"));
}

export function readPeerStats(list: NvList): PeerStatsReply[] {
  // Without peers there is no such array.
  return (nvGet(list, "peers", "nvlist_array") ?? []).map((peer) => ({
    id: Number(required(nvGet(peer, "peerid", "number"), "peerid")),
    ...required(readCounters(peer), "counters of a peer"),
  }));
}

export function readNotification(list: NvList): Notification {
  const peer = Number(required(nvGet(list, "peerid", "number"), "peerid"));
  const number = Number(required(nvGet(list, "notification", "number"), "notification"));
  switch (number) {
    case 0: {
      const reason = Number(required(nvGet(list, "del_reason", "number"), "del_reason"));
      return { type: "deleted", peer, reason, counters: readCounters(list) };
    }
    case 1:
      return { type: "rotate-key", peer };
    case 2:
      return {
        type: "float",
        peer,
        remote: readAddress(required(nvGet(list, "address", "nvlist"), "address")),
      };
    default:
      return { type: "unknown", peer, number };
  }
}

function readCounters(list: NvList): PeerCounters | undefined {
  const packets = nvGet(list, "packets", "nvlist");
  const bytes = nvGet(list, "bytes", "nvlist");
  return packets && bytes && { packets: readInOut(packets), bytes: readInOut(bytes) };
}

function readInOut(list: NvList): InOut {
  return {
    in: required(nvGet(list, "in", "number"), "in"),
    out: required(nvGet(list, "out", "number"), "out"),
  };
}

function readAddress(list: NvList): Endpoint {
  const af = required(nvGet(list, "af", "number"), "af");
  const bytes = required(nvGet(list, "address", "binary"), "address");
  const port = swapBytes(Number(required(nvGet(list, "port", "number"), "port")));
  if (!(af === BigInt(AF_INET) && bytes.length === 4) && !(af === BigInt(AF_INET6) && bytes.length === 16)) {
    throw new DcoError("protocol", `an address of family ${af} has ${bytes.length} bytes`);
  }
  const address = formatIp(unmapIpv4(bytes));
  const scopeId = Number(nvGet(list, "scopeid", "number") ?? 0n);
  return scopeId === 0 ? { address, port } : { address, port, scopeId };
}

function addressList({ bytes, port, scopeId }: PeerAddress, family: 4 | 6): NvList {
  const six = family === 6;
  return [
    nvNumber("af", six ? AF_INET6 : AF_INET),
    nvBinary("address", six ? mapIpv4(bytes) : bytes),
    nvNumber("port", swapBytes(port)),
    ...(six ? [nvNumber("scopeid", scopeId)] : []),
  ];
}

/** Ports are the 16 bits of network order, read as a number of the host: amd64 and arm64 are little-endian. */
function swapBytes(port: number): number {
  return ((port & 0xff) << 8) | ((port >> 8) & 0xff);
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new DcoError("protocol", `the kernel's answer lacks ${what}`);
  return value;
}
