/**
 * A TCP connection of Node's, cut into packets: data packets go to the data plane, all others up.
 */

import { once } from "node:events";
import { createServer, connect as netConnect, type Server, type Socket } from "node:net";
import type {
  BackendListener,
  BackendTransport,
  BackendTransportHandlers,
  IpEndpoint,
  ListenRequest,
  OpenTransportRequest,
} from "../core/backend.ts";
import { DcoError, invalid, withEffect } from "../core/errors.ts";
import { throwIfAborted } from "../core/lifetime.ts";
import type { Endpoint } from "../core/model.ts";
import { addressText, endpointOf } from "./addresses.ts";
import { adoptConnection } from "./adopt-connection.ts";
import type { DataPlane } from "./data/data-plane.ts";
import type { DataSocket, Destination } from "./data/data-socket.ts";
import { DATA_V1, DATA_V2, HEADER_BYTES, opcodeOf } from "./data/packet.ts";
import type { Peer } from "./data/peer.ts";
import { bindError, socketError } from "./errors.ts";
import { FrameReader, LENGTH_BYTES } from "./frames.ts";

/** Data packets wait in the process up to this many bytes while the other side does not read. */
const SEND_QUEUE_BYTES = 1 << 20;

/** As long a control packet waits for the other side to read. */
const SEND_TIMEOUT_MS = 30_000;

/** As long what was sent may take to go out when the transport closes. */
const LINGER_MS = 1000;

/** Connects, or takes over a connection. Errors: `socket` (refused, unreachable), `timeout`, `busy`. */
export async function openTcpTransport(
  plane: DataPlane,
  request: OpenTransportRequest,
  signal: AbortSignal | undefined,
): Promise<TcpTransport> {
  if (request.adopt || request.adoptNode) {
    const { socket, kept } = adoptConnection(request);
    return new TcpTransport(socket, plane, kept);
  }
  const { local, remote } = request;
  if (remote === undefined) throw invalid("remote", "TCP needs one");
  const { family, port } = remote;
  const socket = netConnect({
    host: addressText(remote, family),
    port,
    family,
    noDelay: true,
    ...(local && { localAddress: addressText(local, family), localPort: local.port }),
  });
  const abort = () => socket.destroy();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    if (signal?.aborted) abort();
    await Promise.race([once(socket, "connect"), closing(socket)]);
    throwIfAborted(signal);
    return new TcpTransport(socket, plane);
  } catch (error) {
    socket.destroy();
    throwIfAborted(signal);
    throw DcoError.is(error) ? error : connectError(error, local, `${remote.text} port ${port}`);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

function connectError(error: unknown, local: IpEndpoint | undefined, target: string): DcoError {
  const { syscall, code } = error as NodeJS.ErrnoException;
  // A connection from here to there that exists already is found by connecting only.
  if (local && syscall === "connect" && code === "EADDRNOTAVAIL") {
    return bindError(Object.assign(new Error("connect"), { code: "EADDRINUSE", syscall }), local);
  }
  return syscall === "bind" ? bindError(error, local) : withEffect(socketError(error, target), "none");
}

/** `once` does not notice a socket that is destroyed without an error. */
async function closing(socket: Socket): Promise<never> {
  await once(socket, "close");
  throw new DcoError("socket", "the connection has ended", { effect: "none" });
}

/** See {@link BackendTransport} and {@link DataSocket}. */
export class TcpTransport implements BackendTransport, DataSocket {
  readonly protocol = "tcp";
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly family: 4 | 6;
  readonly dualStack = false;
  readonly room = LENGTH_BYTES;
  readonly connected = true;
  readonly peers = new Set<Peer>();
  readonly #socket: Socket;
  readonly #plane: DataPlane;
  readonly #kept: boolean;
  readonly #frames = new FrameReader();
  #handlers: BackendTransportHandlers | undefined;
  /** It has ended by itself, with this. */
  #end: { readonly error: Error | undefined } | undefined;
  #closing: Promise<void> | undefined;

  /**
   * @param socket connected; becomes the transport's
   * @param kept somebody else goes on with the connection afterwards
   */
  constructor(socket: Socket, plane: DataPlane, kept = false) {
    this.#socket = socket;
    this.#kept = kept;
    this.#plane = plane;
    this.local = endpointOf(socket.localAddress ?? "", socket.localPort ?? 0);
    this.remote = endpointOf(socket.remoteAddress ?? "", socket.remotePort ?? 0);
    this.family = this.remote.address.includes(":") ? 6 : 4;
    socket.on("error", (error) => this.#onEnd(socketError(error, this.remote.address)));
    socket.on("close", () => this.#onEnd(undefined));
  }

  start(handlers: BackendTransportHandlers): void {
    this.#handlers = handlers;
    const ended = this.#end;
    if (ended) {
      queueMicrotask(() => handlers.onEnd(ended.error));
      return;
    }
    this.#socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    // One that was adopted does not begin by itself.
    this.#socket.resume();
    this.#socket.on("end", () => {
      // With a peer half a frame is nobody's business but the peer's, as with kernels.
      const within = this.#frames.isWithin && this.peers.size === 0;
      this.#onEnd(within ? new DcoError("protocol", "the connection ended within a frame") : undefined);
    });
  }

  async send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    if (to !== undefined && (to.text !== this.remote.address || to.port !== this.remote.port)) {
      throw invalid("to", "a TCP transport has one other end");
    }
    if (this.#end || this.#closing) {
      throw new DcoError("closed", "the connection has ended", { effect: "none" });
    }
    const frame = Buffer.allocUnsafe(LENGTH_BYTES + packet.length);
    frame.writeUInt16BE(packet.length, 0);
    frame.set(packet, LENGTH_BYTES);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new DcoError("timeout", "the other side does not read", { effect: "unknown" }));
      }, SEND_TIMEOUT_MS);
      this.#socket.write(frame, (error) => {
        clearTimeout(timer);
        if (error) reject(socketError(error, this.remote.address));
        else resolve();
      });
    });
  }

  sendData(frame: Buffer): boolean {
    if (this.#end || this.#closing || this.#socket.writableLength > SEND_QUEUE_BYTES) return false;
    frame.writeUInt16BE(frame.length - LENGTH_BYTES, 0);
    this.#socket.write(frame);
    return true;
  }

  destination(): never {
    throw invalid("remote", "a TCP peer is where its connection is");
  }

  sender(address: string, port: number): Destination {
    return { endpoint: endpointOf(address, port), address, port };
  }

  /** There is nothing to drop. */
  droppedKernel(): undefined {}

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const socket = this.#socket;
    if (socket.closed) return;
    const closed = once(socket, "close").catch(() => {});
    if (this.#kept) {
      // What comes now is for who goes on.
      socket.pause();
      socket.write("", () => socket.destroy());
    } else {
      // Whatever comes now is not read: it must not hold up the end.
      socket.resume();
      socket.destroySoon();
    }
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    await closed;
    clearTimeout(timer);
  }

  #onData(chunk: Buffer): void {
    const going = this.#frames.read(chunk, (packet) => {
      this.#onPacket(packet);
      return this.#end === undefined && this.#closing === undefined;
    });
    if (!going) this.#spoilt("the other side sent a frame without a packet");
  }

  #onPacket(packet: Buffer): void {
    const kind = this.peers.size > 0 ? kindOf(packet) : "control";
    // As with kernels: after some packets the other side cannot be trusted to speak OpenVPN.
    if (kind === "short") this.#spoilt("the other side sent a packet that is too short");
    else if (kind === DATA_V1) this.#spoilt("the other side sent a packet of the older kind, DATA_V1");
    else if (kind === DATA_V2) this.#plane.receiveFrom(this, packet);
    else this.#handlers?.onPacket(Uint8Array.from(packet), this.remote);
  }

  #spoilt(problem: string): void {
    this.#onEnd(new DcoError("protocol", problem));
  }

  #onEnd(error: Error | undefined): void {
    if (this.#end || this.#closing) return;
    this.#end = { error };
    this.#handlers?.onEnd(error);
  }
}

/** What becomes of a packet once there is a peer. */
function kindOf(packet: Buffer): "short" | "control" | typeof DATA_V1 | typeof DATA_V2 {
  if (packet.length < HEADER_BYTES) return "short";
  const opcode = opcodeOf(packet);
  return opcode === DATA_V1 || opcode === DATA_V2 ? opcode : "control";
}

/** Waits for connections. Errors: `busy`, `socket`, `permission`. */
export async function listenTcp(plane: DataPlane, request: ListenRequest): Promise<TcpListener> {
  const { local, dualStack, backlog } = request;
  const server = createServer({ noDelay: true });
  try {
    server.listen({
      host: addressText(local, local.family),
      port: local.port,
      backlog,
      ipv6Only: local.family === 6 && !dualStack,
      exclusive: true,
    });
    await once(server, "listening");
  } catch (error) {
    server.close();
    throw bindError(error, local);
  }
  return new TcpListener(server, plane);
}

/** See {@link BackendListener}. */
export class TcpListener implements BackendListener {
  readonly local: Endpoint;
  readonly #server: Server;
  readonly #plane: DataPlane;
  #closed = false;

  constructor(server: Server, plane: DataPlane) {
    const { address, port } = server.address() as { address: string; port: number };
    this.local = endpointOf(address, port);
    this.#server = server;
    this.#plane = plane;
  }

  start(onTransport: (transport: BackendTransport) => void, onEnd: (error: Error | undefined) => void): void {
    this.#server.on("connection", (socket) => {
      // It was reset before it was looked at.
      if (socket.remoteAddress === undefined) socket.destroy();
      else onTransport(new TcpTransport(socket, this.#plane));
    });
    this.#server.on("error", (error) => {
      if (!this.#closed) onEnd(socketError(error));
    });
  }

  /** Does not wait for connections: those that were handed out live on. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#server.close();
  }
}
