/**
 * UDP transports on FreeBSD. The kernel keeps an interface's socket, and its port, until the interface is gone or has
 * another socket.
 */
import type { OpenTransportRequest } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { SO_RCVBUF, SOL_SOCKET } from "../sockets/socket-address.ts";
import { openUdpSocket, type SocketMaker, UdpSocket } from "../sockets/udp-socket.ts";
import { isErrno } from "./exchange.ts";

/** sys/socket.h */
export const SO_SNDBUF = 0x1001;

/** The largest datagram, and its address. */
export const SEND_BYTES = 1 << 17;

/** What a transport needs of its interface. */
export interface TransportHost {
  /** Makes sockets in the network stack of the transport. */
  readonly sockets: SocketMaker;
  /** The kernel has woken the socket up: there may be events. */
  woken(): void;
  /** Makes the kernel let go of the socket that it has, if no peer uses it. Does nothing on an interface that is gone. */
  releaseSocket(): void;
}

/** Opens, or adopts, a UDP socket. Its domain and type are checked: the kernel panics on others. */
export function openUdpTransport(
  ffi: Ffi,
  posix: Posix,
  host: TransportHost,
  request: OpenTransportRequest,
): FreebsdUdpTransport {
  const open = () =>
    openUdpSocket(posix, host.sockets, request, (fd) => {
      enlarge(posix, fd, SO_RCVBUF, request.receiveBuffer);
      // A datagram that is larger than the buffer is refused, and the system's default is 9 KiB.
      enlarge(posix, fd, SO_SNDBUF, SEND_BYTES);
      return new FreebsdUdpTransport(ffi, posix, fd, request, host);
    });
  try {
    return open();
  } catch (error) {
    if (request.adopt || !isErrno(error, "EADDRINUSE")) throw error;
    // The interface may still hold the port for an owner that has died.
    host.releaseSocket();
    return open();
  }
}

/** See {@link UdpSocket}. */
export class FreebsdUdpTransport extends UdpSocket {
  readonly #host: TransportHost;

  constructor(
    ffi: Ffi,
    posix: Posix,
    fd: number,
    request: Pick<OpenTransportRequest, "remote" | "adopt">,
    host: TransportHost,
  ) {
    super(ffi, posix, fd, request);
    this.#host = host;
  }

  /** The kernel counts for all sockets together. */
  droppedKernel(): undefined {
    return undefined;
  }

  protected override woken(): void {
    this.#host.woken();
  }

  protected override async beforeClose(): Promise<void> {
    this.#host.releaseSocket();
  }
}

/** The system sets a limit (kern.ipc.maxsockbuf), and refuses what is above it. */
export function enlarge(posix: Posix, fd: number, option: number, wanted: number): void {
  for (let size = wanted; size >= 1; size = Math.floor(size / 2)) {
    try {
      posix.setsockopt(fd, SOL_SOCKET, option, size);
      return;
    } catch (error) {
      if (!DcoError.is(error) || error.native?.name !== "ENOBUFS") throw error;
    }
  }
}
