/**
 * A UDP socket as a transport: data packets go to the data plane, all others up.
 */
import type {
  BackendListener,
  BackendTransport,
  BackendTransportHandlers,
  IpAddress,
  IpEndpoint,
  OpenTransportRequest,
} from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import type { Endpoint } from "../core/model.ts";
import { endpointOf } from "./addresses.ts";
import { openBatchedDatagramSocket } from "./batched-datagram-socket.ts";
import type { DataPlane } from "./data/data-plane.ts";
import type { DataSocket, Destination } from "./data/data-socket.ts";
import { DATA_V1, DATA_V2, HEADER_BYTES, opcodeOf } from "./data/packet.ts";
import type { Peer } from "./data/peer.ts";
import type { DatagramSocket, DatagramSocketRequest } from "./datagram-socket.ts";
import { openNodeDatagramSocket } from "./node-datagram-socket.ts";

/**
 * Whose sockets: those that send and receive many packets in one call where there are some, or always Node's; or what
 * makes them, for tests where a process cannot make them where they are to live.
 */
export type DatagramSockets = "best" | "node" | ((request: DatagramSocketRequest) => DatagramSocket);

/** What is asked of a transport. */
type UdpRequest = Pick<OpenTransportRequest, "local" | "remote" | "dualStack" | "receiveBuffer" | "adopt">;

/** Opens a UDP socket, or adopts one. Errors: `busy`, `socket`, `permission`. */
export async function openUdpTransport(
  plane: DataPlane,
  request: UdpRequest,
  sockets: DatagramSockets,
): Promise<UdpTransport> {
  const { local, remote } = request;
  const wanted = { ...request, family: local?.family ?? remote?.family ?? 4 } as const;
  const socket = await openSocket(wanted, sockets);
  return new UdpTransport(socket, plane, remote);
}

async function openSocket(wanted: DatagramSocketRequest, sockets: DatagramSockets): Promise<DatagramSocket> {
  if (typeof sockets === "function") return sockets(wanted);
  const batched = sockets === "best" ? openBatchedDatagramSocket(wanted) : undefined;
  return batched ?? (await openNodeDatagramSocket(wanted));
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
  readonly #socket: DatagramSocket;
  readonly #plane: DataPlane;
  readonly #remote: Destination | undefined;
  #closing: Promise<void> | undefined;

  /** @param socket becomes the transport's */
  constructor(socket: DatagramSocket, plane: DataPlane, remote: IpEndpoint | undefined) {
    this.local = socket.local;
    this.family = socket.family;
    this.dualStack = socket.dualStack;
    this.#socket = socket;
    this.#plane = plane;
    this.#remote = remote && socket.destination(remote);
    this.remote = this.#remote?.endpoint;
  }

  start(handlers: BackendTransportHandlers): void {
    const plane = this.#plane;
    this.#socket.start({
      onPacket: (packet, address, port) => {
        // Without a peer it is an ordinary socket, as with kernels.
        if (this.peers.size > 0 && isData(packet)) plane.receive(packet, this, address, port);
        else handlers.onPacket(Uint8Array.from(packet), endpointOf(address, port));
      },
      onEnd: (error) => {
        if (!this.#closing) handlers.onEnd(error);
      },
    });
  }

  async send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    const target = to ? this.destination(to) : this.#remote;
    if (target === undefined) {
      const problem = "to: needed, because the transport has no remote of its own";
      throw new DcoError("invalid", problem, { field: "to" });
    }
    if (this.#closing) throw new DcoError("closed", "the transport is closed", { effect: "none" });
    await this.#socket.send(packet, target);
  }

  sendData(packet: Buffer, to: Destination | undefined): boolean {
    if (this.#closing || to === undefined) return false;
    return this.#socket.sendData(packet, to);
  }

  destination(endpoint: IpEndpoint, local?: IpAddress): Destination {
    return this.#socket.destination(endpoint, local);
  }

  sender(address: string, port: number, local?: IpAddress): Destination {
    return this.#socket.sender(address, port, local);
  }

  /** Nobody tells. */
  droppedKernel(): undefined {}

  close(): Promise<void> {
    this.#closing ??= this.#socket.close();
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
