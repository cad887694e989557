/**
 * A UDP socket of Node's: data packets go to the data plane, all others up.
 */
import type { Socket, SocketOptions } from "node:dgram";
import { once } from "node:events";
import type {
  BackendListener,
  BackendTransport,
  BackendTransportHandlers,
  IpEndpoint,
  OpenTransportRequest,
} from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import type { Endpoint } from "../core/model.ts";
import { addressText, endpointOf } from "./addresses.ts";
import type { DataPlane } from "./data/data-plane.ts";
import type { DataSocket, Destination } from "./data/data-socket.ts";
import { DATA_V1, DATA_V2, HEADER_BYTES, opcodeOf } from "./data/packet.ts";
import type { Peer } from "./data/peer.ts";
import { bindError, socketError } from "./errors.ts";

/** Data packets wait in the process up to this many bytes while the socket's own buffer is full. */
const SEND_QUEUE_BYTES = 1 << 20;

/** The largest datagram, and its address. */
const SEND_BYTES = 1 << 17;

/** Addresses are addresses: without this Node would look each one up, a turn of the event loop later. */
const lookup: NonNullable<SocketOptions["lookup"]> = (address, options, done) =>
  // Called with a family where the types have options.
  done(null, address, options as unknown as number);

/** Makes sockets, as `node:dgram` does. */
export type MakeSocket = (options: SocketOptions) => Socket;

/** Opens a UDP socket. Errors: `busy`, `socket`, `permission`. */
export async function openUdpTransport(
  plane: DataPlane,
  request: Pick<OpenTransportRequest, "local" | "remote" | "dualStack" | "receiveBuffer">,
  makeSocket: MakeSocket,
): Promise<UdpTransport> {
  const { local, remote, dualStack, receiveBuffer } = request;
  const family = local?.family ?? remote?.family ?? 4;
  const kind = family === 6 ? ({ type: "udp6", ipv6Only: !dualStack } as const) : ({ type: "udp4" } as const);
  const socket = makeSocket({ ...kind, lookup });
  const any = family === 6 ? "::" : "0.0.0.0";
  // It listens within the call that binds it, since nothing is looked up.
  const listening = once(socket, "listening");
  try {
    socket.bind({
      address: local ? addressText(local, family) : any,
      port: local?.port ?? 0,
      exclusive: true,
    });
    await listening;
  } catch (error) {
    socket.close();
    throw bindError(error, local);
  }
  enlarge((size) => socket.setRecvBufferSize(size), receiveBuffer);
  // BSD systems refuse datagrams that are larger than the buffer, which has room for 9 KiB at first.
  if (socket.getSendBufferSize() < SEND_BYTES) enlarge((size) => socket.setSendBufferSize(size), SEND_BYTES);
  return new UdpTransport(socket, plane, family, dualStack, remote);
}

/** As large as the system lets it be. */
function enlarge(set: (size: number) => void, bytes: number): void {
  for (let size = bytes; size > 0; size >>= 1) {
    try {
      set(size);
      return;
    } catch {
      // More than this system allows.
    }
  }
}

/** See {@link BackendTransport} and {@link DataSocket}. */
export class UdpTransport implements BackendTransport, DataSocket {
  readonly protocol = "udp";
  readonly local: Endpoint;
  readonly remote: Endpoint | undefined;
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  readonly room = 0;
  readonly connected = false;
  readonly peers = new Set<Peer>();
  readonly #socket: Socket;
  readonly #plane: DataPlane;
  readonly #remote: Destination | undefined;
  #closing: Promise<void> | undefined;

  /** @param socket bound; becomes the transport's */
  constructor(
    socket: Socket,
    plane: DataPlane,
    family: 4 | 6,
    dualStack: boolean,
    remote: IpEndpoint | undefined,
  ) {
    const { address, port } = socket.address();
    this.local = endpointOf(address, port);
    this.family = family;
    this.dualStack = dualStack;
    this.#socket = socket;
    this.#plane = plane;
    this.#remote = remote && this.destination(remote);
    this.remote = this.#remote?.endpoint;
  }

  start(handlers: BackendTransportHandlers): void {
    const plane = this.#plane;
    this.#socket.on("message", (packet, { address, port }) => {
      // Without a peer it is an ordinary socket, as with kernels.
      if (this.peers.size > 0 && isData(packet)) plane.receive(packet, this, address, port);
      else handlers.onPacket(packet, endpointOf(address, port));
    });
    this.#socket.on("error", (error) => {
      if (!this.#closing) handlers.onEnd(socketError(error));
    });
  }

  async send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    const target = to ? this.destination(to) : this.#remote;
    if (target === undefined) {
      const problem = "to: needed, because the transport has no remote of its own";
      throw new DcoError("invalid", problem, { field: "to" });
    }
    if (this.#closing) throw new DcoError("closed", "the transport is closed", { effect: "none" });
    await new Promise<void>((resolve, reject) => {
      this.#socket.send(packet, target.port, target.address, (error) => {
        if (error) reject(socketError(error, target.endpoint.address));
        else resolve();
      });
    });
  }

  sendData(packet: Buffer, to: Destination | undefined): boolean {
    const socket = this.#socket;
    if (this.#closing || to === undefined || socket.getSendQueueSize() > SEND_QUEUE_BYTES) return false;
    // What becomes of it nobody waits for: the network may lose it as well.
    socket.send(packet, to.port, to.address);
    return true;
  }

  destination(endpoint: IpEndpoint): Destination {
    const { text, port, scopeId } = endpoint;
    return {
      endpoint: scopeId === 0 ? { address: text, port } : { address: text, port, scopeId },
      address: addressText(endpoint, this.family),
      port,
    };
  }

  sender(address: string, port: number): Destination {
    return { endpoint: endpointOf(address, port), address, port };
  }

  /** Node does not tell. */
  droppedKernel(): undefined {}

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#socket.close(() => resolve()));
    return this.#closing;
  }
}

/** What peers are there for; what is too short to be anything, or of the older kind, ends in the data plane too. */
function isData(packet: Uint8Array): boolean {
  if (packet.length < HEADER_BYTES) return true;
  const opcode = opcodeOf(packet);
  return opcode === DATA_V2 || opcode === DATA_V1;
}

/** A listener on UDP: there is one transport for all senders, and it is handed over at once. */
export class UdpListener implements BackendListener {
  readonly #transport: UdpTransport;
  #handedOver = false;

  constructor(transport: UdpTransport) {
    this.#transport = transport;
  }

  get local(): Endpoint {
    return this.#transport.local;
  }

  start(onTransport: (transport: BackendTransport) => void, onEnd: (error: Error | undefined) => void): void {
    this.#handedOver = true;
    onTransport(this.#transport);
    onEnd(undefined);
  }

  async close(): Promise<void> {
    if (!this.#handedOver) await this.#transport.close();
  }
}
