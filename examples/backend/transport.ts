/**
 * A UDP socket as a transport of the example backend.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import {
  type BackendTransport,
  type BackendTransportHandlers,
  errnoError,
  errnoNumber,
  type IpEndpoint,
  invalid,
  type OpenTransportRequest,
} from "../../src/backend/index.ts";
import { DcoError, type Endpoint } from "../../src/index.ts";
import { isData } from "./key.ts";

/** Takes the data packets; false if nobody here wants them. */
export type OnData = (packet: Buffer, transport: UdpTransport) => boolean;

export async function openUdpTransport(request: OpenTransportRequest, onData: OnData): Promise<UdpTransport> {
  const { local, remote } = request;
  const family = (local ?? remote)?.family ?? 4;
  const socket = createSocket(family === 6 ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
  try {
    const address = local?.text ?? (family === 6 ? "::" : "0.0.0.0");
    socket.bind({ address, port: local?.port ?? 0, exclusive: true });
    await once(socket, "listening");
  } catch (error) {
    socket.close();
    throw refusal(error, "bind", "local");
  }
  enlarge(socket, request.receiveBuffer);
  return new UdpTransport(socket, family, remote, onData);
}

/** As large as the system lets it be. */
function enlarge(socket: Socket, wanted: number): void {
  for (let bytes = wanted; bytes > 0; bytes >>= 1) {
    try {
      socket.setRecvBufferSize(bytes);
      return;
    } catch {
      // More than this system allows.
    }
  }
}

export class UdpTransport implements BackendTransport {
  readonly protocol = "udp";
  readonly dualStack = false;
  readonly local: Endpoint;
  readonly remote: Endpoint | undefined;
  readonly family: 4 | 6;
  readonly #socket: Socket;
  readonly #onData: OnData;
  #closing: Promise<void> | undefined;

  constructor(socket: Socket, family: 4 | 6, remote: IpEndpoint | undefined, onData: OnData) {
    const { address, port } = socket.address();
    this.local = { address, port };
    this.remote = remote && { address: remote.text, port: remote.port };
    this.family = family;
    this.#socket = socket;
    this.#onData = onData;
  }

  start({ onPacket, onEnd }: BackendTransportHandlers): void {
    this.#socket.on("message", (packet, { address, port }) => {
      if (isData(packet) && this.#onData(packet, this)) return;
      onPacket(packet, { address, port });
    });
    this.#socket.on("error", (error) => {
      if (!this.#closing) onEnd(refusal(error, "recvmsg"));
    });
  }

  async send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    const target = to ? { address: to.text, port: to.port } : this.remote;
    if (target === undefined) throw invalid("to", "needed, because the transport has no remote of its own");
    if (this.#closing) throw new DcoError("closed", "the transport is closed", { effect: "none" });
    await new Promise<void>((resolve, reject) => {
      this.#socket.send(packet, target.port, target.address, (error) => {
        if (error) reject(refusal(error, "sendto"));
        else resolve();
      });
    });
  }

  sendData(packet: Buffer, to: Endpoint): void {
    // What becomes of it nobody waits for: the network may lose it as well.
    if (!this.#closing) this.#socket.send(packet, to.port, to.address);
  }

  droppedKernel(): undefined {}

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#socket.close(() => resolve()));
    return this.#closing;
  }
}

/** What Node says as the contract says it. */
function refusal(error: unknown, call: string, field?: string): DcoError {
  const { code = "" } = error as NodeJS.ErrnoException;
  const said = errnoError(errnoNumber(code) ?? 0, call);
  if (field === undefined) return said;
  // An address that is not this host's is no fault of the option's form.
  const kind = said.code === "invalid" ? "socket" : said.code;
  return new DcoError(kind, `${field}: ${said.message}`, {
    native: said.native,
    field,
    effect: "none",
    cause: error,
  });
}
