/**
 * UDP transports on Linux.
 */
import type { OpenTransportRequest } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { IPPROTO_UDP, SO_MEMINFO, SO_RCVBUF, SO_RCVBUFFORCE, SOL_SOCKET } from "../sockets/socket-address.ts";
import { openUdpSocket, UdpSocket } from "../sockets/udp-socket.ts";
import type { ModuleCodec } from "./codec.ts";
import type { NamespaceContext } from "./context.ts";

/** Word of SO_MEMINFO that counts packets dropped for want of room (SK_MEMINFO_DROPS). */
const MEMINFO_DROPS = 8;

/** What a UDP socket is used for besides plain packets; 0 for nothing (linux/udp.h). */
const UDP_ENCAP = 100;

/** What modules of OpenVPN say: of their own, and since Linux has a number for it. */
const OVPN_ENCAPS = [100, 8];

/** How long, and how often, is looked whether the module has let go of a socket. */
const RELEASE_MS = 2000;
const RELEASE_POLL_MS = 2;

/** Opens, or adopts, a UDP socket in the context's network namespace. */
export function openUdpTransport(
  ffi: Ffi,
  posix: Posix,
  context: NamespaceContext,
  request: OpenTransportRequest,
  sockets: ModuleCodec["sockets"],
): UdpTransport {
  const socket: Posix["socket"] = (...args) => context.run(() => posix.socket(...args));
  return openUdpSocket(posix, { socket, bind: posix.bind }, request, (fd) => {
    enlarge(posix, fd, request.receiveBuffer);
    return sockets === "framed"
      ? new UdpTransport(ffi, posix, fd, request)
      : new HeldUdpTransport(ffi, posix, fd, request);
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

/** Of a module that keeps the socket until it has released its last peer, which takes some time. */
export class HeldUdpTransport extends UdpTransport {
  readonly #peers = new Set<number>();

  /** The module would take a socket from IPsec and its like without a word. */
  get isUsable(): boolean {
    const use = this.#use();
    return use === 0 || OVPN_ENCAPS.includes(use);
  }

  /** Errors: `socket`. */
  checkUse(): void {
    if (this.isUsable) return;
    throw new DcoError("socket", "another interface, or another kind of tunnel, uses the socket", {
      effect: "none",
    });
  }

  peerAdded(id: number): void {
    this.#peers.add(id);
  }

  peerEnded(id: number): void {
    this.#peers.delete(id);
  }

  /** As `peerEnded`; after the last peer's end it waits until somebody else could use the socket. */
  async peerRemoved(id: number): Promise<void> {
    if (this.#peers.delete(id) && this.#peers.size === 0) await this.#released();
  }

  /** The port is free when the module has let go as well. */
  protected override beforeClose(): Promise<void> {
    return this.#released();
  }

  async #released(): Promise<void> {
    const deadline = performance.now() + RELEASE_MS;
    while (this.#peers.size === 0 && this.#use() !== 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, RELEASE_POLL_MS));
    }
  }

  #use(): number {
    return this.posix.getsockoptInt(this.fd, IPPROTO_UDP, UDP_ENCAP);
  }
}

function enlarge(posix: Posix, fd: number, size: number): void {
  try {
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size);
  } catch {
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size);
  }
}
