/**
 * A UDP socket of Node's: on every platform.
 */
import { createSocket, type Socket, type SocketOptions } from "node:dgram";
import { once } from "node:events";
import type { IpEndpoint } from "../core/backend.ts";
import type { Endpoint } from "../core/model.ts";
import { addressText, endpointOf } from "./addresses.ts";
import type { Destination } from "./data/data-socket.ts";
import type { DatagramHandlers, DatagramSocket, DatagramSocketRequest } from "./datagram-socket.ts";
import { bindError, socketError } from "./errors.ts";

/** Data packets wait in the process up to this many bytes while the socket's own buffer is full. */
const SEND_QUEUE_BYTES = 1 << 20;

/** The largest datagram, and its address. */
const SEND_BYTES = 1 << 17;

/** Addresses are addresses: without this Node would look each one up, a turn of the event loop later. */
const lookup: NonNullable<SocketOptions["lookup"]> = (address, options, done) =>
  // Called with a family where the types have options.
  done(null, address, options as unknown as number);

/** Opens a UDP socket. Errors: `busy`, `socket`, `permission`. */
export async function openNodeDatagramSocket(request: DatagramSocketRequest): Promise<DatagramSocket> {
  const { family, local, dualStack, receiveBuffer } = request;
  const kind = family === 6 ? ({ type: "udp6", ipv6Only: !dualStack } as const) : ({ type: "udp4" } as const);
  const socket = createSocket({ ...kind, lookup });
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
  return new NodeDatagramSocket(socket, family, dualStack);
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

class NodeDatagramSocket implements DatagramSocket {
  readonly local: Endpoint;
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  readonly #socket: Socket;

  constructor(socket: Socket, family: 4 | 6, dualStack: boolean) {
    const { address, port } = socket.address();
    this.local = endpointOf(address, port);
    this.#socket = socket;
    this.family = family;
    this.dualStack = dualStack;
  }

  start({ onPacket, onEnd }: DatagramHandlers): void {
    this.#socket.on("message", (packet, { address, port }) => onPacket(packet, address, port));
    this.#socket.on("error", (error) => onEnd(socketError(error)));
  }

  send(packet: Uint8Array, to: Destination): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(packet, to.port, to.address, (error) => {
        if (error) reject(socketError(error, to.endpoint.address));
        else resolve();
      });
    });
  }

  sendData(packet: Buffer, to: Destination): boolean {
    if (this.#socket.getSendQueueSize() > SEND_QUEUE_BYTES) return false;
    this.#socket.send(packet, to.port, to.address);
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

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}
