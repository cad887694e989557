/**
 * COMPILE-TIME PROOF, NOT A BACKEND: that the contract's shape fits a data plane in this process.
 *
 * Nothing of this package leads here and the build leaves it out, until the userspace backend is written. What is
 * below the exchange (DATA_V2 packets, ciphers, timers, sockets, the TUN device) is declared, not made.
 */
import type {
  AddPeerRequest,
  BackendEvent,
  BackendEventSink,
  BackendInterface,
  BackendListener,
  BackendPeer,
  BackendStats,
  BackendTransport,
  BackendTransportHandlers,
  ConfigureRequest,
  IpEndpoint,
  KeyRequest,
  ListenRequest,
  OpenTransportRequest,
  PeerFields,
} from "../core/backend.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { DcoError } from "../core/errors.ts";
import type { Endpoint, InterfaceMode, KeyInfo, KeySlot } from "../core/model.ts";
import { userspaceCapabilities } from "./capabilities.ts";

/** Inner IP packets of an interface that is no TUN device: what `dco.extras` is. */
export interface PacketStream {
  /** Packets that came out of the tunnel. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Takes packets that go into the tunnel. */
  readonly writable: WritableStream<Uint8Array>;
}

/** A whole OpenVPN packet on its way out: where to, and by which socket. */
type SendPacket = (packet: Uint8Array, to: Endpoint | undefined) => void;

/** The data plane: peers, keys, replay windows, keepalive, float. Synchronous; failures are a `DcoError`. */
export interface UserspaceExchange {
  addPeer(peer: AddPeerRequest, send: SendPacket): void;
  setPeer(id: number, fields: PeerFields): void;
  /** Errors: `not-found`. Tells its event before it returns. */
  removePeer(id: number, reason: "userspace" | "transport-disconnect"): void;
  peer(id: number): BackendPeer | undefined;
  peers(): BackendPeer[];
  stats(): BackendStats[];
  installKey(peer: number, key: KeyRequest): void;
  swapKeys(peer: number): void;
  deleteKey(peer: number, slot: KeySlot): void;
  keys(peer: number): KeyInfo[];
  /** A packet from a socket; false if it is no data packet. */
  receive(packet: Uint8Array, from: Endpoint, arrived: SendPacket): boolean;
  /** A packet from the TUN device or the stream. */
  transmit(packet: Uint8Array): void;
  /** Where opened packets go, and events: of peers, never lost, in order. */
  start(deliver: (packet: Uint8Array) => void, tell: (event: BackendEvent) => void): void;
  stop(): void;
}

/** A socket of this process, or one end of a TCP connection, whose stream is cut into packets. */
export interface PacketSocket {
  readonly local: Endpoint;
  readonly remote: Endpoint | undefined;
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  start(onPacket: (packet: Uint8Array, from: Endpoint) => void, onEnd: (error?: Error) => void): void;
  /** To the remote where `to` is undefined. Waits while the send buffer is full. */
  send(packet: Uint8Array, to: Endpoint | undefined): Promise<void>;
  close(): Promise<void>;
}

/** Sockets, and where inner packets go to and come from. */
export interface UserspaceSystem {
  open(request: OpenTransportRequest, signal: AbortSignal | undefined): Promise<PacketSocket>;
  listen(
    request: ListenRequest,
    onSocket: (socket: PacketSocket) => void,
    onEnd: (error?: Error) => void,
  ): Promise<{ readonly local: Endpoint; close(): Promise<void> }>;
  readonly inner: InnerDevice;
}

/** A TUN device or a stream. */
export interface InnerDevice {
  readonly name: string;
  /** 0 for a stream. */
  readonly index: number;
  readonly stream: PacketStream | undefined;
  start(transmit: (packet: Uint8Array) => void): void;
  deliver(packet: Uint8Array): void;
  /** A stream takes only `mtu` and `up`; core has refused the rest (systemInterface). */
  configure(request: ConfigureRequest): Promise<void>;
  /** Up, and in p2p mode with a peer, as the kernel's. */
  setCarrier(up: boolean): void;
  isUp(): boolean;
  close(): Promise<void>;
}

/** See {@link BackendTransport}. */
class UserspaceTransport implements BackendTransport {
  readonly protocol: "udp" | "tcp";
  readonly local: Endpoint;
  readonly remote: Endpoint | undefined;
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  readonly #socket: PacketSocket;
  readonly #exchange: UserspaceExchange;

  constructor(protocol: "udp" | "tcp", socket: PacketSocket, exchange: UserspaceExchange) {
    this.protocol = protocol;
    this.local = socket.local;
    this.remote = socket.remote;
    this.family = socket.family;
    this.dualStack = socket.dualStack;
    this.#socket = socket;
    this.#exchange = exchange;
  }

  /** Where peers of this transport send to; the same function for all, so that it says which transport it is. */
  readonly sendData: SendPacket = (packet, to) => void this.#socket.send(packet, to).catch(() => {});

  start(handlers: BackendTransportHandlers): void {
    this.#socket.start(
      (packet, from) => {
        if (!this.#exchange.receive(packet, from, this.sendData)) handlers.onPacket(packet, from);
      },
      (error) => handlers.onEnd(error),
    );
  }

  send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    return this.#socket.send(packet, to && { address: to.text, port: to.port, scopeId: to.scopeId });
  }

  /** Node does not tell. */
  droppedKernel(): undefined {
    return undefined;
  }

  close(): Promise<void> {
    return this.#socket.close();
  }
}

/** See {@link BackendInterface}. */
export class UserspaceInterface implements BackendInterface {
  readonly name: string;
  readonly index: number;
  readonly mode: InterfaceMode;
  readonly created = true;
  readonly capabilities: Capabilities;
  readonly extras: PacketStream | Record<string, never>;
  readonly #exchange: UserspaceExchange;
  readonly #system: UserspaceSystem;
  #sink: BackendEventSink = () => {};

  constructor(
    mode: InterfaceMode,
    facts: Parameters<typeof userspaceCapabilities>[0],
    exchange: UserspaceExchange,
    system: UserspaceSystem,
  ) {
    const { name, index, stream } = system.inner;
    this.name = name;
    this.index = index;
    this.mode = mode;
    this.capabilities = userspaceCapabilities({ ...facts, tun: stream === undefined });
    this.extras = stream ?? {};
    this.#exchange = exchange;
    this.#system = system;
  }

  async start(sink: BackendEventSink): Promise<void> {
    const { inner } = this.#system;
    this.#sink = sink;
    const tell = (event: BackendEvent) => {
      sink(event);
      if (event.type === "peer-deleted") this.#carrier();
    };
    this.#exchange.start((packet) => inner.deliver(packet), tell);
    inner.start((packet) => this.#exchange.transmit(packet));
    this.#carrier();
  }

  async configure(request: ConfigureRequest): Promise<void> {
    await this.#system.inner.configure(request);
    this.#carrier();
  }

  async isLinkUp(): Promise<boolean> {
    return this.#system.inner.isUp();
  }

  async openTransport(
    request: OpenTransportRequest,
    signal: AbortSignal | undefined,
  ): Promise<BackendTransport> {
    const socket = await this.#system.open(request, signal);
    return new UserspaceTransport(request.protocol, socket, this.#exchange);
  }

  async listen(request: ListenRequest): Promise<BackendListener> {
    let handOver: ((transport: BackendTransport) => void) | undefined;
    let end: ((error: Error | undefined) => void) | undefined;
    const { local, close } = await this.#system.listen(
      request,
      (socket) => handOver?.(new UserspaceTransport(request.protocol, socket, this.#exchange)),
      (error) => end?.(error),
    );
    const start: BackendListener["start"] = (onTransport, onEnd) => {
      handOver = onTransport;
      end = onEnd;
    };
    return { local, start, close };
  }

  async addPeer(request: AddPeerRequest, transport: BackendTransport): Promise<void> {
    this.#exchange.addPeer(request, (transport as UserspaceTransport).sendData);
    this.#carrier();
  }

  async setPeer(id: number, request: PeerFields): Promise<void> {
    this.#exchange.setPeer(id, request);
  }

  async removePeer(id: number): Promise<void> {
    this.#exchange.removePeer(id, "userspace");
  }

  async peer(id: number): Promise<BackendPeer> {
    const peer = this.#exchange.peer(id);
    if (peer === undefined) throw new DcoError("not-found", `there is no peer ${id}`, { effect: "none" });
    return peer;
  }

  async peers(): Promise<BackendPeer[]> {
    return this.#exchange.peers();
  }

  async stats(): Promise<BackendStats[]> {
    return this.#exchange.stats();
  }

  async installKey(peer: number, key: KeyRequest): Promise<void> {
    this.#exchange.installKey(peer, key);
  }

  async swapKeys(peer: number): Promise<void> {
    this.#exchange.swapKeys(peer);
  }

  async deleteKey(peer: number, slot: KeySlot): Promise<void> {
    this.#exchange.deleteKey(peer, slot);
  }

  async keys(peer: number): Promise<KeyInfo[]> {
    return this.#exchange.keys(peer);
  }

  /** It goes with the process anyway, so it goes whatever is asked. */
  async close(): Promise<void> {
    this.#exchange.stop();
    await this.#system.inner.close();
  }

  #carrier(): void {
    const { inner } = this.#system;
    const before = inner.isUp();
    inner.setCarrier(this.mode === "multipeer" || this.#exchange.peers().length > 0);
    if (inner.isUp() !== before) this.#sink({ type: "link", up: inner.isUp() });
  }
}
