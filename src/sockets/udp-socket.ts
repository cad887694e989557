/**
 * A UDP socket of this process as a transport: the kernel takes the data packets from it, and we the control packets.
 */
import type {
  BackendTransport,
  BackendTransportHandlers,
  IpEndpoint,
  OpenTransportRequest,
} from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import type { Endpoint } from "../core/model.ts";
import { errnoError, errnoNumber } from "../ffi/errno.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { adoptSocket } from "./adopt-socket.ts";
import {
  AF_INET,
  AF_INET6,
  bindTo,
  boundTo,
  familyOf,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_V6ONLY,
  SOCK_DGRAM,
  socketAddress,
} from "./socket-address.ts";
import { readUdp, type StopReading } from "./udp-reader.ts";

const EAGAIN = errnoNumber("EAGAIN") as number;

/** What routers and hosts say of earlier packets, to a connected socket: the next packet may arrive. */
const UNREACHABLE = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENOPROTOOPT",
  "EPROTO",
  "ENONET",
  "EACCES",
  "EMSGSIZE",
]);

/** How often and how long a full send buffer is waited for. */
const SEND_RETRY_MS = 5;
const SEND_TIMEOUT_MS = 5000;

/** What makes sockets and binds them, where they are to live. */
export type SocketMaker = Pick<Posix, "socket" | "bind">;

/**
 * A bound socket, or the one that is to be adopted.
 *
 * @param prepare what else is to be done to it, and made of it; when that fails it is closed
 */
export function openUdpSocket<T>(
  posix: Posix,
  maker: SocketMaker,
  request: OpenTransportRequest,
  prepare: (fd: number) => T,
): T {
  const fd = request.adopt ? adoptSocket(posix, request.adopt, "udp") : open(posix, maker, request);
  try {
    return prepare(fd);
  } catch (error) {
    // A socket that was to be taken stays the caller's.
    if (request.adopt?.ownership !== "take") posix.close(fd);
    throw error;
  }
}

/** See {@link BackendTransport}. */
export abstract class UdpSocket implements BackendTransport {
  readonly protocol = "udp";
  readonly fd: number;
  readonly local: Endpoint;
  readonly remote: Endpoint | undefined;
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  readonly #ffi: Ffi;
  protected readonly posix: Posix;
  readonly #remote: IpEndpoint | undefined;
  readonly #taken: boolean;
  #stopReading: StopReading | undefined;
  #closing: Promise<void> | undefined;

  /** @param fd becomes the transport's */
  constructor(
    ffi: Ffi,
    posix: Posix,
    fd: number,
    { remote, adopt }: Pick<OpenTransportRequest, "remote" | "adopt">,
  ) {
    this.#ffi = ffi;
    this.posix = posix;
    this.fd = fd;
    this.#taken = adopt?.ownership === "take";
    this.#remote = remote;
    this.remote = remote && endpointOf(remote);
    this.family = familyOf(posix, fd);
    this.dualStack = this.family === 6 && posix.getsockoptInt(fd, IPPROTO_IPV6, IPV6_V6ONLY) === 0;
    this.local = boundTo(posix, fd) ?? { address: "::", port: 0 };
  }

  start(handlers: BackendTransportHandlers): void {
    try {
      this.#stopReading = readUdp(this.#ffi, this.posix, this.fd, this.family, {
        onPacket: (data, from) => handlers.onPacket(data, from),
        onWake: () => this.woken(),
        onEnd: (error) => {
          if (!this.#closing) handlers.onEnd(error);
        },
      });
    } catch (error) {
      // What was to be taken stays the caller's.
      if (this.#taken) this.#closing = Promise.resolve();
      throw error;
    }
  }

  async send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    const target = to ?? this.#remote;
    if (target === undefined) {
      throw new DcoError("invalid", "to: needed, because the transport has no remote of its own", {
        field: "to",
      });
    }
    const address = socketAddress(target, this.family);
    let toldBefore = false;
    for (let waited = 0; ; waited += SEND_RETRY_MS) {
      if (this.#closing) throw new DcoError("closed", "the transport is closed", { effect: "none" });
      const sent = this.posix.sendto(this.fd, packet, 0, address);
      if (sent >= 0) return;
      if (sent === -EAGAIN) this.woken();
      else {
        const error = errnoError(-sent, "send", target.text);
        if (toldBefore || !UNREACHABLE.has(error.native?.name ?? "")) throw error;
        // That may have been the answer to an earlier packet, which is told once.
        toldBefore = true;
        continue;
      }
      if (waited >= SEND_TIMEOUT_MS) {
        throw new DcoError("timeout", "the socket's send buffer stayed full", { effect: "none" });
      }
      await new Promise((resolve) => setTimeout(resolve, SEND_RETRY_MS));
    }
  }

  abstract droppedKernel(): bigint | undefined;

  /** The socket had something to tell, be it that there is nothing to read. */
  protected woken(): void {}

  /** Nothing reads or writes it any more, and it is about to be closed. */
  protected async beforeClose(): Promise<void> {}

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#stopReading?.();
    await this.beforeClose();
    // The last close of a socket with peers takes the kernel 12 to 15 ms for each: so not on the event loop.
    await this.posix.closeAsync(this.fd);
  }
}

function open(posix: Posix, maker: SocketMaker, request: OpenTransportRequest): number {
  const family = request.local?.family ?? request.remote?.family ?? 4;
  const fd = maker.socket(family === 6 ? AF_INET6 : AF_INET, SOCK_DGRAM, IPPROTO_UDP);
  try {
    if (family === 6) posix.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, request.dualStack ? 0 : 1);
    bindTo(maker, fd, request.local, family);
    return fd;
  } catch (error) {
    posix.close(fd);
    throw error;
  }
}

function endpointOf(endpoint: IpEndpoint): Endpoint {
  const { text, port, scopeId } = endpoint;
  return scopeId === 0 ? { address: text, port } : { address: text, port, scopeId };
}
