/**
 * Socket addresses: `sockaddr_in` and `sockaddr_in6`, in the layouts of the three systems.
 */
import { invalid } from "../core/errors.ts";
import { formatIp, parseIp } from "../core/ip.ts";

/** Whose layout: they differ in the number of AF_INET6, and BSD begins with a length byte. */
export type SockaddrLayout = "linux" | "freebsd" | "win32";

/** An address and port. */
export interface SocketEndpoint {
  /** An IPv4 or IPv6 address without zone. */
  readonly address: string;
  readonly port: number;
  /** The interface index of a link-local IPv6 address; 0 or left out means none. */
  readonly scopeId?: number | undefined;
}

/** AF_INET everywhere. */
export const AF_INET = 2;

/** AF_INET6 of each system (Linux sys/socket.h, FreeBSD sys/socket.h, ws2def.h). */
export const AF_INET6: Record<SockaddrLayout, number> = { linux: 10, freebsd: 28, win32: 23 };

const SIZE_IN = 16;
const SIZE_IN6 = 28;

/** Room for either, as for `getsockname`. */
export const SOCKADDR_BYTES = SIZE_IN6;

/** This machine's layout; Linux's where it is none of the three. */
export function thisLayout(): SockaddrLayout {
  const { platform } = process;
  return platform === "freebsd" || platform === "win32" ? platform : "linux";
}

/**
 * The bytes of a socket address.
 *
 * Errors: `invalid` for what is not an address, port or scope id.
 */
export function packSockaddr(endpoint: SocketEndpoint, layout: SockaddrLayout = thisLayout()): Buffer {
  const bytes = parseIp(endpoint.address);
  if (!bytes) throw invalid("address", "is not an IP address");
  return packSockaddrBytes(bytes, endpoint.port, endpoint.scopeId, layout);
}

/** As {@link packSockaddr}, of 4 or 16 address bytes. */
export function packSockaddrBytes(
  address: Uint8Array,
  port: number,
  scopeId = 0,
  layout: SockaddrLayout = thisLayout(),
): Buffer {
  if (!isUnsigned(port, 0xffff)) throw invalid("port", "must be an integer from 0 to 65535");
  if (!isUnsigned(scopeId, 0xffffffff)) throw invalid("scopeId", "must be an integer from 0 to 4294967295");
  const four = address.length === 4;
  if (!four && address.length !== 16) throw invalid("address", "must have 4 or 16 bytes");
  if (four && scopeId !== 0) throw invalid("scopeId", "is for IPv6 only");
  const out = Buffer.alloc(four ? SIZE_IN : SIZE_IN6);
  const family = four ? AF_INET : AF_INET6[layout];
  if (layout === "freebsd") {
    out.writeUInt8(out.length, 0);
    out.writeUInt8(family, 1);
  } else {
    out.writeUInt16LE(family, 0);
  }
  out.writeUInt16BE(port, 2);
  out.set(address, four ? 4 : 8);
  if (!four) out.writeUInt32LE(scopeId, 24);
  return out;
}

/**
 * Reads a socket address; more bytes than it has may follow.
 *
 * @returns undefined for another family, and where the bytes are too few
 */
export function unpackSockaddr(
  bytes: Uint8Array,
  layout: SockaddrLayout = thisLayout(),
): SocketEndpoint | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < SIZE_IN) return undefined;
  const family = layout === "freebsd" ? view.readUInt8(1) : view.readUInt16LE(0);
  const port = view.readUInt16BE(2);
  if (family === AF_INET) return { address: formatIp(view.subarray(4, 8)), port, scopeId: 0 };
  if (family !== AF_INET6[layout] || view.length < SIZE_IN6) return undefined;
  return { address: formatIp(view.subarray(8, 24)), port, scopeId: view.readUInt32LE(24) };
}

function isUnsigned(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}
