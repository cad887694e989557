/**
 * The ioctls of interfaces, and their structures as bytes: those of LP64 systems, which amd64 and arm64 are.
 *
 * Numbers and offsets are what the C compiler makes of FreeBSD's headers for both.
 */
import { formatIp } from "../core/ip.ts";
import { packSockaddrBytes, unpackSockaddr } from "../ffi/sockaddr.ts";

export const SIOCSDRVSPEC = 0x8028697b;
export const SIOCGDRVSPEC = 0xc028697b;
export const SIOCIFCREATE2 = 0xc020697c;
export const SIOCIFDESTROY = 0x80206979;
export const SIOCIFGCLONERS = 0xc0106978;
export const SIOCGIFGMEMB = 0xc028698a;
export const SIOCGIFCONF = 0xc0106924;
export const SIOCSIFNAME = 0x80206928;
export const SIOCGIFFLAGS = 0xc0206911;
export const SIOCSIFFLAGS = 0x80206910;
export const SIOCGIFMTU = 0xc0206933;
export const SIOCSIFMTU = 0x80206934;
export const SIOCGIFINDEX = 0xc0206920;
export const SIOCSIFDESCR = 0x80206929;
export const SIOCGIFDESCR = 0xc020692a;
export const SIOCGIFNETMASK = 0xc0206925;
export const SIOCAIFADDR = 0x8044692b;
export const SIOCDIFADDR = 0x80206919;
export const SIOCGIFNETMASK_IN6 = 0xc1206925;
export const SIOCAIFADDR_IN6 = 0x8088691b;
export const SIOCDIFADDR_IN6 = 0x81206919;

export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_POINTOPOINT = 0x10;
/** IFF_DRV_RUNNING; START_VPN sets it, and nothing clears it. */
export const IFF_RUNNING = 0x40;
export const IFF_MULTICAST = 0x8000;

/** Bytes of a name with its NUL (IFNAMSIZ). */
export const NAME_BYTES = 16;

const IFREQ = 32;
const IFDRV = 40;
const IFALIASREQ = 68;
const IN6_IFREQ = 288;
const IN6_ALIASREQ = 136;

/** Where the union of an ifreq begins. */
const UNION = NAME_BYTES;

const IN6_IFF_NODAD = 0x20;
const FOREVER = 0xffffffff;

/** struct ifreq with a name alone. */
export function ifreq(name: string): Buffer {
  return named(IFREQ, name);
}

/** struct ifreq with an int, such as the MTU. */
export function ifreqInt(name: string, value: number): Buffer {
  const bytes = ifreq(name);
  bytes.writeInt32LE(value, UNION);
  return bytes;
}

export function readInt(bytes: Buffer): number {
  return bytes.readInt32LE(UNION);
}

/** Interface indexes have 16 bits there. */
export function readIndex(bytes: Buffer): number {
  return bytes.readUInt16LE(UNION);
}

/** struct ifreq with flags, of which the upper half comes second. */
export function ifreqFlags(name: string, flags: number): Buffer {
  const bytes = ifreq(name);
  bytes.writeUInt16LE(flags & 0xffff, UNION);
  bytes.writeUInt16LE(flags >>> 16, UNION + 2);
  return bytes;
}

export function readFlags(bytes: Buffer): number {
  return bytes.readUInt16LE(UNION) | (bytes.readUInt16LE(UNION + 2) << 16);
}

/** struct ifreq with a pointer, such as to a new name. */
export function ifreqPointer(name: string, address: bigint): Buffer {
  const bytes = ifreq(name);
  bytes.writeBigUInt64LE(address, UNION);
  return bytes;
}

/** struct ifreq with a buffer: length, pointer. */
export function ifreqBuffer(name: string, length: number, address: bigint): Buffer {
  const bytes = ifreq(name);
  bytes.writeBigUInt64LE(BigInt(length), UNION);
  bytes.writeBigUInt64LE(address, UNION + 8);
  return bytes;
}

/** The length that the kernel put there. */
export function readBufferLength(bytes: Buffer): number {
  return Number(bytes.readBigUInt64LE(UNION));
}

/** The name that the kernel put there. */
export function readName(bytes: Buffer, at = 0): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString("latin1", at, end < 0 || end > at + NAME_BYTES ? at + NAME_BYTES : end);
}

/** struct ifdrv. */
export function ifdrv(name: string, command: number, length: number, address: bigint): Buffer {
  const bytes = named(IFDRV, name);
  bytes.writeBigUInt64LE(BigInt(command), 16);
  bytes.writeBigUInt64LE(BigInt(length), 24);
  bytes.writeBigUInt64LE(address, 32);
  return bytes;
}

/** The length of a reply. */
export function readDrvLength(bytes: Buffer): number {
  return Number(bytes.readBigUInt64LE(24));
}

/** struct if_clonereq: total, count, pointer to `count` names. */
export function ifClonereq(count: number, address: bigint): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeInt32LE(count, 4);
  bytes.writeBigUInt64LE(address, 8);
  return bytes;
}

/** How many there are. */
export function readClonerTotal(bytes: Buffer): number {
  return bytes.readInt32LE(0);
}

/** struct ifgroupreq: group, bytes, pointer to members of 16 bytes. */
export function ifgroupreq(group: string, length: number, address: bigint): Buffer {
  const bytes = named(40, group);
  bytes.writeUInt32LE(length, 16);
  bytes.writeBigUInt64LE(address, 24);
  return bytes;
}

/** How many bytes the members take. */
export function readGroupLength(bytes: Buffer): number {
  return bytes.readUInt32LE(16);
}

/** struct ifconf: bytes, pointer. */
export function ifconf(length: number, address: bigint): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeInt32LE(length, 0);
  bytes.writeBigUInt64LE(address, 8);
  return bytes;
}

export function readConfLength(bytes: Buffer): number {
  return bytes.readInt32LE(0);
}

/** An address of some interface. */
export interface ListedAddress {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The IP addresses among what SIOCGIFCONF filled in: entries are a name, and an address that tells its length. */
export function readAddresses(bytes: Buffer): ListedAddress[] {
  const found: ListedAddress[] = [];
  const SOCKADDR = 16;
  for (let at = 0; at + IFREQ <= bytes.length; ) {
    const length = Math.max(SOCKADDR, bytes.readUInt8(at + NAME_BYTES));
    const address = addressBytes(bytes.subarray(at + NAME_BYTES, at + NAME_BYTES + length));
    if (address) found.push({ name: readName(bytes, at), bytes: address });
    at += NAME_BYTES + length;
  }
  return found;
}

/** The address in a sockaddr; undefined for other families. */
export function addressBytes(sockaddr: Uint8Array): Uint8Array | undefined {
  const endpoint = unpackSockaddr(sockaddr, "freebsd");
  if (endpoint === undefined) return undefined;
  const four = sockaddr[1] === 2;
  return Uint8Array.from(sockaddr.subarray(four ? 4 : 8, four ? 8 : 24));
}

/** struct ifreq or in6_ifreq with an address, for SIOCDIFADDR, SIOCGIFNETMASK and their IPv6 sisters. */
export function ifreqAddress(name: string, address: Uint8Array): Buffer {
  const bytes = named(address.length === 4 ? IFREQ : IN6_IFREQ, name);
  bytes.set(sockaddr(address), UNION);
  return bytes;
}

/** The prefix length that a mask in an ifreq means. */
export function readMask(bytes: Buffer, family: 4 | 6): number {
  const at = UNION + (family === 4 ? 4 : 8);
  let length = 0;
  for (const byte of bytes.subarray(at, at + (family === 4 ? 4 : 16))) {
    length += 8 - Math.log2(256 - byte);
    if (byte !== 0xff) break;
  }
  return length;
}

/** struct ifaliasreq: name, address, broadcast address (left to the kernel), mask. */
export function ifaliasreq(name: string, address: Uint8Array, prefixLength: number): Buffer {
  const bytes = named(IFALIASREQ, name);
  bytes.set(sockaddr(address), 16);
  bytes.set(sockaddr(mask(4, prefixLength)), 48);
  return bytes;
}

/** struct in6_aliasreq, for an address that is valid for ever, at once: there is nobody to ask for duplicates. */
export function in6Aliasreq(name: string, address: Uint8Array, prefixLength: number): Buffer {
  const bytes = named(IN6_ALIASREQ, name);
  bytes.set(sockaddr(address), 16);
  bytes.set(sockaddr(mask(16, prefixLength)), 72);
  bytes.writeInt32LE(IN6_IFF_NODAD, 100);
  bytes.writeUInt32LE(FOREVER, 104 + 16);
  bytes.writeUInt32LE(FOREVER, 104 + 20);
  return bytes;
}

/** The mask of a prefix length. */
export function mask(size: 4 | 16, prefixLength: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => {
    const bits = Math.min(8, Math.max(0, prefixLength - 8 * at));
    return 0xff & (0xff << (8 - bits));
  });
}

/** An address in text, for messages. */
export function addressText(address: Uint8Array): string {
  return formatIp(address);
}

function sockaddr(address: Uint8Array): Buffer {
  return packSockaddrBytes(address, 0, 0, "freebsd");
}

function named(size: number, name: string): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.write(name, 0, NAME_BYTES - 1, "latin1");
  return bytes;
}
