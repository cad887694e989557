/**
 * UDP transports on Linux.
 */
import type { OpenTransportRequest } from "../core/backend.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { SO_MEMINFO, SO_RCVBUF, SO_RCVBUFFORCE, SOL_SOCKET } from "../sockets/socket-address.ts";
import { openUdpSocket, UdpSocket } from "../sockets/udp-socket.ts";
import type { NamespaceContext } from "./context.ts";

/** Word of SO_MEMINFO that counts packets dropped for want of room (SK_MEMINFO_DROPS). */
const MEMINFO_DROPS = 8;

/** Opens, or adopts, a UDP socket in the context's network namespace. */
export function openUdpTransport(
  ffi: Ffi,
  posix: Posix,
  context: NamespaceContext,
  request: OpenTransportRequest,
): UdpTransport {
  const socket: Posix["socket"] = (...args) => context.run(() => posix.socket(...args));
  return openUdpSocket(posix, { socket, bind: posix.bind }, request, (fd) => {
    enlarge(posix, fd, request.receiveBuffer);
    return new UdpTransport(ffi, posix, fd, request);
  });
}

/** See {@link UdpSocket}. */
export class UdpTransport extends UdpSocket {
  droppedKernel(): bigint {
    const words = Buffer.alloc(4 * (MEMINFO_DROPS + 1));
    this.posix.getsockopt(this.fd, SOL_SOCKET, SO_MEMINFO, words);
    return BigInt(words.readUInt32LE(4 * MEMINFO_DROPS));
  }
}

function enlarge(posix: Posix, fd: number, size: number): void {
  try {
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size);
  } catch {
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size);
  }
}
