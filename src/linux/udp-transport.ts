/**
 * A UDP socket that the kernel takes data packets from, and Node the control packets.
 */
import { createSocket, type Socket } from "node:dgram";
import type {
  BackendTransport,
  BackendTransportHandlers,
  IpEndpoint,
  OpenTransportRequest,
} from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { formatIp, parseIp, unmapIpv4 } from "../core/ip.ts";
import type { Endpoint } from "../core/model.ts";
import { errnoError } from "../ffi/errno.ts";
import type { Posix } from "../ffi/posix.ts";
import { adoptSocket } from "./adopt-socket.ts";
import type { NamespaceContext } from "./context.ts";
import {
  AF_INET,
  AF_INET6,
  bindTo,
  boundTo,
  familyOf,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_V6ONLY,
  SO_MEMINFO,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SOCK_DGRAM,
  SOL_SOCKET,
  socketAddress,
} from "./socket-address.ts";

/** Word of SO_MEMINFO that counts packets dropped for want of room (SK_MEMINFO_DROPS). */
const MEMINFO_DROPS = 8;
const EAGAIN = 11;

/** How often and how long a full send buffer is waited for. */
const SEND_RETRY_MS = 5;
const SEND_TIMEOUT_MS = 5000;

/** Opens, or adopts, a UDP socket in the context's network namespace. */
export function openUdpTransport(
  posix: Posix,
  context: NamespaceContext,
  request: OpenTransportRequest,
): UdpTransport {
  const fd = request.adopt ? adoptSocket(posix, request.adopt, "udp") : open(posix, context, request);
  try {
    enlarge(posix, fd, request.receiveBuffer);
    return new UdpTransport(posix, fd, request.remote);
  } catch (error) {
    // A socket that was to be taken stays the caller's.
    if (request.adopt?.ownership !== "take") posix.close(fd);
    throw error;
  }
}

/** See {@link BackendTransport}. */
export class UdpTransport implements BackendTransport {
  readonly protocol = "udp";
  readonly fd: number;
  readonly local: Endpoint;
  readonly remote: Endpoint | undefined;
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  readonly #posix: Posix;
  readonly #remote: IpEndpoint | undefined;
  #socket: Socket | undefined;
  #closing: Promise<void> | undefined;

  /** @param fd becomes the transport's */
  constructor(posix: Posix, fd: number, remote: IpEndpoint | undefined) {
    this.#posix = posix;
    this.fd = fd;
    this.#remote = remote;
    this.remote = remote && endpointOf(remote);
    this.family = familyOf(posix, fd);
    this.dualStack = this.family === 6 && posix.getsockoptInt(fd, IPPROTO_IPV6, IPV6_V6ONLY) === 0;
    this.local = boundTo(posix, fd) ?? { address: "::", port: 0 };
  }

  start(handlers: BackendTransportHandlers): void {
    const socket = createSocket({ type: this.family === 6 ? "udp6" : "udp4" });
    this.#socket = socket;
    socket.on("message", (data, info) => {
      handlers.onPacket(data, fromNode(this.#posix, info.address, info.port));
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // Node cannot name the interface of a link-local sender in another namespace: that packet is lost, no more.
      if (error.syscall === "uv_if_indextoiid") return;
      if (!this.#closing) handlers.onEnd(error);
    });
    socket.bind({ fd: this.fd, exclusive: true });
  }

  async send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    const target = to ?? this.#remote;
    if (target === undefined) {
      throw new DcoError("invalid", "to: needed, because the transport has no remote of its own", {
        field: "to",
      });
    }
    const address = socketAddress(target, this.family);
    for (let waited = 0; ; waited += SEND_RETRY_MS) {
      if (this.#closing) throw new DcoError("closed", "the transport is closed", { effect: "none" });
      const sent = this.#posix.sendto(this.fd, packet, 0, address);
      if (sent >= 0) return;
      if (sent !== -EAGAIN) throw errnoError(-sent, "send", target.text);
      if (waited >= SEND_TIMEOUT_MS) {
        throw new DcoError("timeout", "the socket's send buffer stayed full", { effect: "none" });
      }
      await new Promise((resolve) => setTimeout(resolve, SEND_RETRY_MS));
    }
  }

  droppedKernel(): bigint {
    const words = Buffer.alloc(4 * (MEMINFO_DROPS + 1));
    this.#posix.getsockopt(this.fd, SOL_SOCKET, SO_MEMINFO, words);
    return BigInt(words.readUInt32LE(4 * MEMINFO_DROPS));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // The last close of a socket with peers takes the kernel 12 to 15 ms for each: so it is not Node's close.
    const last = this.#posix.fcntlDup(this.fd);
    const socket = this.#socket;
    if (socket === undefined) this.#posix.close(this.fd);
    else await new Promise<void>((resolve) => socket.close(() => resolve()));
    await this.#posix.closeAsync(last);
  }
}

function open(posix: Posix, context: NamespaceContext, request: OpenTransportRequest): number {
  const family = request.local?.family ?? request.remote?.family ?? 4;
  const fd = context.run(() => posix.socket(family === 6 ? AF_INET6 : AF_INET, SOCK_DGRAM, IPPROTO_UDP));
  try {
    if (family === 6) posix.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, request.dualStack ? 0 : 1);
    bindTo(posix, fd, request.local, family);
    return fd;
  } catch (error) {
    posix.close(fd);
    throw error;
  }
}

function enlarge(posix: Posix, fd: number, size: number): void {
  try {
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size);
  } catch {
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size);
  }
}

function endpointOf(endpoint: IpEndpoint): Endpoint {
  const { text, port, scopeId } = endpoint;
  return scopeId === 0 ? { address: text, port } : { address: text, port, scopeId };
}

/** An address as Node writes it: IPv4 in an IPv6 socket is mapped, a link-local one ends in `%interface`. */
function fromNode(posix: Posix, address: string, port: number): Endpoint {
  const [text, zone] = address.split("%") as [string, string | undefined];
  if (zone !== undefined) return { address: text, port, scopeId: Number(zone) || posix.ifNameToIndex(zone) };
  const bytes = parseIp(text);
  return { address: bytes ? formatIp(unmapIpv4(bytes)) : text, port };
}
