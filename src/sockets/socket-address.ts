/**
 * Addresses of sockets, as core has them and as the system calls want them.
 */
import type { IpEndpoint } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { mapIpv4 } from "../core/ip.ts";
import type { Endpoint } from "../core/model.ts";
import type { Posix } from "../ffi/posix.ts";
import { packSockaddrBytes, SOCKADDR_BYTES, type SocketEndpoint, unpackSockaddr } from "../ffi/sockaddr.ts";

const FREEBSD = process.platform === "freebsd";

/** Linux asm-generic/socket.h; FreeBSD sys/socket.h. */
export const AF_INET = 2;
export const AF_INET6 = FREEBSD ? 28 : 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const SOL_SOCKET = FREEBSD ? 0xffff : 1;
export const SO_TYPE = FREEBSD ? 0x1008 : 3;
export const SO_ERROR = FREEBSD ? 0x1007 : 4;
export const SO_RCVBUF = FREEBSD ? 0x1002 : 8;
export const SO_PROTOCOL = FREEBSD ? 0x1016 : 38;
export const SO_DOMAIN = FREEBSD ? 0x1019 : 39;
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = FREEBSD ? 27 : 26;

/** Of Linux alone. */
export const SO_RCVLOWAT = 18;
export const SO_RCVBUFFORCE = 33;
export const SO_MEMINFO = 55;

/** The address that a socket is bound to; undefined for one that is not an IP socket. */
export function boundTo(posix: Posix, fd: number): Endpoint | undefined {
  const bytes = Buffer.alloc(SOCKADDR_BYTES);
  posix.getsockname(fd, bytes);
  return endpointOf(unpackSockaddr(bytes));
}

/** The other end of a connected socket. */
export function connectedTo(posix: Posix, fd: number): Endpoint | undefined {
  const bytes = Buffer.alloc(SOCKADDR_BYTES);
  posix.getpeername(fd, bytes);
  return endpointOf(unpackSockaddr(bytes));
}

/** As a socket of this family wants it: an IPv6 one takes IPv4 addresses mapped. */
export function socketAddress(endpoint: IpEndpoint, family: 4 | 6): Buffer {
  const bytes = family === 6 ? mapIpv4(endpoint.bytes) : endpoint.bytes;
  return packSockaddrBytes(bytes, endpoint.port, endpoint.scopeId);
}

/** Binds a socket, to any address and port if none is given. Errors: `busy`, `socket`, `permission`. */
export function bindTo(
  posix: Pick<Posix, "bind">,
  fd: number,
  local: IpEndpoint | undefined,
  family: 4 | 6,
): void {
  try {
    posix.bind(fd, local ? socketAddress(local, family) : anyAddress(family));
  } catch (error) {
    if (!DcoError.is(error) || local === undefined) throw error;
    const problem = BIND_PROBLEMS[error.native?.name ?? ""];
    if (problem === undefined) throw error;
    const { code, native } = error;
    const target = endpointText(local);
    throw new DcoError(code, `local: ${target} ${problem} [${native?.name}]`, {
      target,
      native,
      field: "local",
      effect: "none",
      cause: error,
    });
  }
}

const BIND_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: "is in use",
  EADDRNOTAVAIL: `is not an address of this host or ${FREEBSD ? "jail" : "network namespace"}`,
  EACCES: `is a port below 1024, which needs ${FREEBSD ? "root" : "CAP_NET_BIND_SERVICE"}`,
};

/** As a caller would write it. */
export function endpointText({ family, text, port }: IpEndpoint): string {
  return family === 6 ? `[${text}]:${port}` : `${text}:${port}`;
}

/** Any address, any port. */
export function anyAddress(family: 4 | 6): Buffer {
  return packSockaddrBytes(new Uint8Array(family === 6 ? 16 : 4), 0);
}

/** The family of an IP socket. */
export function familyOf(posix: Posix, fd: number): 4 | 6 {
  return posix.getsockoptInt(fd, SOL_SOCKET, SO_DOMAIN) === AF_INET6 ? 6 : 4;
}

function endpointOf(endpoint: SocketEndpoint | undefined): Endpoint | undefined {
  if (endpoint === undefined) return undefined;
  const { address, port, scopeId } = endpoint;
  return scopeId ? { address, port, scopeId } : { address, port };
}
