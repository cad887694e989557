/**
 * Messages of the routing socket (net/route.h): routes to add, delete and ask for, and what is told of links.
 */
import { packSockaddrBytes } from "../ffi/sockaddr.ts";
import { addressBytes, mask, NAME_BYTES, readName } from "./ioctl.ts";

export const RTM_ADD = 1;
export const RTM_DELETE = 2;
export const RTM_GET = 4;
const RTM_IFINFO = 14;
const RTM_IFANNOUNCE = 17;
const RTM_VERSION = 5;

const IFAN_DEPARTURE = 1;

const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
const RTF_HOST = 0x4;
const RTF_STATIC = 0x800;

const RTA_DST = 0x1;
const RTA_GATEWAY = 0x2;
const RTA_NETMASK = 0x4;
const RTA_IFP = 0x10;

/** struct rt_msghdr with its metrics. */
const HEADER = 152;
const AT_INDEX = 4;
const AT_FLAGS = 8;
const AT_ADDRS = 12;
const AT_PID = 16;
const AT_SEQ = 20;

const AF_LINK = 18;
/** struct sockaddr_dl. */
const SOCKADDR_DL = 54;

/** A route as the kernel is told of it. */
export interface Route {
  readonly destination: Uint8Array;
  readonly prefixLength: number;
  readonly gateway: Uint8Array | undefined;
  /** Index of the interface that it leads through. */
  readonly interface: number;
}

/** What leads to an address. */
export interface FoundRoute {
  readonly interface: number;
  readonly gateway: Uint8Array | undefined;
  /** It is a host route to this very address. */
  readonly isHost: boolean;
}

/** RTM_ADD or RTM_DELETE. The interface is named, so that a gateway need not lie in one of its prefixes. */
export function routeMessage(type: typeof RTM_ADD | typeof RTM_DELETE, route: Route): Buffer {
  const { destination, prefixLength, gateway } = route;
  const size = destination.length as 4 | 16;
  const isHost = prefixLength === size * 8;
  const addresses: [number, Buffer][] = [
    [RTA_DST, sockaddr(destination)],
    [RTA_GATEWAY, gateway ? sockaddr(gateway) : linkAddress(route.interface)],
    ...(isHost ? [] : ([[RTA_NETMASK, sockaddr(mask(size, prefixLength))]] as [number, Buffer][])),
    [RTA_IFP, linkAddress(route.interface)],
  ];
  const flags = RTF_UP | RTF_STATIC | (gateway ? RTF_GATEWAY : 0) | (isHost ? RTF_HOST : 0);
  return message(type, flags, 0, addresses);
}

/** RTM_GET: how an address is reached. @param seq comes back in the answer */
export function routeQuestion(address: Uint8Array, seq: number): Buffer {
  return message(RTM_GET, RTF_UP | RTF_HOST, seq, [
    [RTA_DST, sockaddr(address)],
    [RTA_IFP, linkAddress(0)],
  ]);
}

/** Whether a message is the answer to this process's question of that number. */
export function isAnswer(bytes: Buffer, seq: number): boolean {
  return (
    bytes.length >= HEADER &&
    bytes[3] === RTM_GET &&
    bytes.readInt32LE(AT_PID) === process.pid &&
    bytes.readInt32LE(AT_SEQ) === seq
  );
}

/** What the answer says. */
export function readRoute(bytes: Buffer): FoundRoute {
  const flags = bytes.readInt32LE(AT_FLAGS);
  const addrs = bytes.readInt32LE(AT_ADDRS);
  let gateway: Uint8Array | undefined;
  let at = HEADER;
  for (let bit = 1; bit <= RTA_GATEWAY && at + 2 <= bytes.length; bit <<= 1) {
    if ((addrs & bit) === 0) continue;
    const length = bytes.readUInt8(at);
    if (bit === RTA_GATEWAY && flags & RTF_GATEWAY) gateway = addressBytes(bytes.subarray(at, at + length));
    at += aligned(length);
  }
  const isHost = (flags & (RTF_HOST | RTF_STATIC)) === (RTF_HOST | RTF_STATIC);
  return { interface: bytes.readUInt16LE(AT_INDEX), gateway, isHost };
}

/** What is told of a link: that it changed, or that one of this name appeared or went. */
export interface LinkMessage {
  readonly index: number;
  readonly what: "changed" | "arrived" | "departed";
  /** Of one that appeared or went; it may be the same with another name. */
  readonly name: string | undefined;
}

/** The messages about links in what was read. */
export function readLinkMessages(bytes: Buffer): LinkMessage[] {
  const found: LinkMessage[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 8 || at + length > bytes.length) break;
    const [version, type] = [bytes[at + 2], bytes[at + 3]];
    if (version === RTM_VERSION && type === RTM_IFINFO && length >= 14) {
      found.push({ index: bytes.readUInt16LE(at + 12), what: "changed", name: undefined });
    } else if (version === RTM_VERSION && type === RTM_IFANNOUNCE && length >= 8 + NAME_BYTES) {
      const what = bytes.readUInt16LE(at + 6 + NAME_BYTES) === IFAN_DEPARTURE ? "departed" : "arrived";
      found.push({ index: bytes.readUInt16LE(at + 4), what, name: readName(bytes, at + 6) });
    }
    at += length;
  }
  return found;
}

function message(type: number, flags: number, seq: number, addresses: readonly [number, Buffer][]): Buffer {
  const size = addresses.reduce((sum, [, bytes]) => sum + aligned(bytes.length), HEADER);
  const out = Buffer.alloc(size);
  out.writeUInt16LE(size, 0);
  out.writeUInt8(RTM_VERSION, 2);
  out.writeUInt8(type, 3);
  out.writeInt32LE(flags, AT_FLAGS);
  out.writeInt32LE(
    addresses.reduce((bits, [bit]) => bits | bit, 0),
    AT_ADDRS,
  );
  out.writeInt32LE(process.pid, AT_PID);
  out.writeInt32LE(seq, AT_SEQ);
  let at = HEADER;
  for (const [, bytes] of addresses) {
    out.set(bytes, at);
    at += aligned(bytes.length);
  }
  return out;
}

/** Addresses begin at multiples of a long's size; an empty one takes one. */
function aligned(length: number): number {
  return length === 0 ? 8 : (length + 7) & ~7;
}

function sockaddr(address: Uint8Array): Buffer {
  return packSockaddrBytes(address, 0, 0, "freebsd");
}

function linkAddress(index: number): Buffer {
  const bytes = Buffer.alloc(SOCKADDR_DL);
  bytes.writeUInt8(SOCKADDR_DL, 0);
  bytes.writeUInt8(AF_LINK, 1);
  bytes.writeUInt16LE(index, 2);
  return bytes;
}
