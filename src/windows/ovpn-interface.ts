/**
 * What interfaces of both modes have in common: reads that bring packets and events, a link that comes with the
 * transport, an adapter that may go away.
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
  ConfigureRequest,
  IpPrefix,
  KeyRequest,
  OpenTransportRequest,
  PeerFields,
} from "../core/backend.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { DcoError, unsupported } from "../core/errors.ts";
import type { Endpoint, InterfaceMode, Keepalive } from "../core/model.ts";
import type { WindowsExchange } from "./exchange.ts";
import type { DeviceStats, DriverVersion, Packet } from "./messages.ts";
import { isWin32 } from "./ovpn-errors.ts";
import { PendedReads } from "./pended-reads.ts";
import { WindowsTransport } from "./transport.ts";

/** How a pended request ends because the adapter is disabled, removed, or its driver replaced. */
const GONE = [6, 22, 31, 55, 433, 995, 1167, 1617];

/** ERROR_INSUFFICIENT_BUFFER: one packet was lost. */
const PACKET_LOST = 122;

/** The adapter as a network link. */
export interface WindowsAdapter {
  /** Waits for the IP interface, which comes a moment after the link. */
  configure(request: ConfigureRequest, signal: AbortSignal | undefined): Promise<void>;
  /** Undefined where the system has no network card for it. */
  isLinkUp(): boolean | undefined;
  /** Whether the driver's interface of it is there. */
  isPresent(): boolean;
  /** Makes the system's routes to what is behind a peer be these. */
  setPeerRoutes(peer: number, routes: readonly IpPrefix[]): void;
  /** Takes back what would stay behind. */
  close(): void;
  /** Removes the adapter from the system. */
  remove(): Promise<void>;
}

/** Packets that wait for their transport to be there, which takes some turns of the event loop. */
const MOST_EARLY = 100;

/** What an interface is made of. */
export interface WindowsInterfaceParts {
  readonly name: string;
  readonly index: number;
  readonly created: boolean;
  readonly capabilities: Capabilities;
  readonly version: DriverVersion;
  readonly exchange: WindowsExchange;
  readonly adapter: WindowsAdapter;
  readonly extras?: object;
}

/** How often the link and the adapter are looked at: the system's own notifications can deadlock with their end. */
const LOOK_MS = 500;

/** See {@link BackendInterface}. */
export abstract class WindowsInterface implements BackendInterface {
  abstract readonly mode: InterfaceMode;
  readonly name: string;
  readonly index: number;
  readonly created: boolean;
  readonly capabilities: Capabilities;
  readonly extras?: object;
  protected readonly exchange: WindowsExchange;
  protected readonly version: DriverVersion;
  protected readonly adapter: WindowsAdapter;
  protected readonly peerIds = new Set<number>();
  protected transport: WindowsTransport | undefined;
  /** Closed, or gone. */
  protected isOver = false;
  readonly #reads: PendedReads;
  #sink: BackendEventSink = () => {};
  #wanted: ConfigureRequest | undefined;
  /** The driver was told to raise it; only the end of the handle lowers it again. */
  #isRaised = false;
  #wasUp = false;
  #timer: NodeJS.Timeout | undefined;
  #isGone = false;
  /** How a read has ended while the transport was being opened. */
  #failedEarly: unknown;
  /** What came meanwhile: the other side may be quick. */
  #early: Packet[] = [];
  #closing: Promise<void> | undefined;

  constructor(parts: WindowsInterfaceParts) {
    this.name = parts.name;
    this.index = parts.index;
    this.created = parts.created;
    this.capabilities = parts.capabilities;
    this.exchange = parts.exchange;
    this.version = parts.version;
    this.adapter = parts.adapter;
    if (parts.extras) this.extras = parts.extras;
    this.#reads = new PendedReads(() => this.exchange.read(), {
      onPacket: (packet) => this.#onPacket(packet),
      onFailure: (error) => this.#onReadFailure(error),
    });
  }

  async start(sink: BackendEventSink): Promise<void> {
    this.#sink = sink;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  async configure(request: ConfigureRequest, signal: AbortSignal | undefined): Promise<void> {
    const given = Object.entries(request).filter(([, value]) => value !== undefined);
    if (this.transport === undefined && !this.#isRaised) {
      this.#wanted = { ...(this.#wanted ?? request), ...Object.fromEntries(given) };
      return;
    }
    if (request.up === false) throw unsupported("linkDown", "the link goes down only with the interface");
    await this.adapter.configure(request, signal);
  }

  async isLinkUp(): Promise<boolean> {
    return this.adapter.isLinkUp() ?? this.#isRaised;
  }

  /** Makes the driver's socket, and with it the link; what was configured before is applied to it. */
  async openTransport(
    request: OpenTransportRequest,
    signal: AbortSignal | undefined,
  ): Promise<BackendTransport> {
    try {
      // First of all: what the driver tells to no read is lost.
      this.#failedEarly = undefined;
      this.#early = [];
      this.#reads.start();
      const local = await this.connect(request, signal);
      this.#isRaised = true;
      if (this.#failedEarly !== undefined) throw this.#failedEarly;
      const transport: WindowsTransport = new WindowsTransport(request, local, this.exchange, {
        onWriteFailure: (error) => {
          if (this.transport === transport) this.onWriteFailure(error);
        },
        onClose: async () => {
          if (this.transport === transport) await this.#disconnect();
        },
      });
      this.transport = transport;
      for (const packet of this.#early.splice(0)) transport.take(packet);
      if (this.#wanted) {
        await this.adapter.configure(this.#wanted, signal);
        this.#wanted = undefined;
      }
      this.#look();
      return transport;
    } catch (error) {
      await this.#disconnect().catch(() => {});
      throw error;
    }
  }

  listen(): Promise<BackendListener> {
    throw unsupported("listeners", "this driver does not listen for connections");
  }

  /** The handle is exclusive: what was added and has not ended is there. */
  async peer(id: number): Promise<BackendPeer> {
    if (this.peerIds.has(id)) return knownOnlyById(id);
    throw new DcoError("not-found", `the driver has no peer ${id}`, { effect: "none" });
  }

  async peers(): Promise<BackendPeer[]> {
    return [...this.peerIds].map(knownOnlyById);
  }

  async installKey(peer: number, key: KeyRequest): Promise<void> {
    await this.exchange.ioctl("NEW_KEY", { peer, key });
  }

  deleteKey(): Promise<void> {
    throw unsupported("deleteKey", "this driver cannot delete a key");
  }

  async keys(): Promise<undefined> {
    return undefined;
  }

  close(deleteInterface: boolean): Promise<void> {
    this.#closing ??= this.#close(deleteInterface);
    return this.#closing;
  }

  abstract addPeer(request: AddPeerRequest, transport: BackendTransport): Promise<void>;
  abstract setPeer(id: number, request: PeerFields): Promise<void>;
  abstract removePeer(id: number): Promise<void>;
  abstract swapKeys(peer: number): Promise<void>;
  abstract stats(): Promise<BackendStats[]>;
  /** Makes the socket; gives its local address where the driver tells. */
  protected abstract connect(
    request: OpenTransportRequest,
    signal: AbortSignal | undefined,
  ): Promise<Endpoint | undefined>;
  /** Undoes `connect`, as far as it got. */
  protected abstract disconnect(): Promise<void>;
  /** A pended read has failed: others would fail in the same way, so something ends with it. */
  protected abstract onReadEvent(error: unknown): void;

  /** A write has failed, which its caller is told. */
  protected onWriteFailure(_error: unknown): void {}

  protected tell(event: BackendEvent): void {
    if (!this.isOver) this.#sink(event);
  }

  /** The adapter was removed, or disabled: its handle is good for nothing any more. */
  protected gone(): void {
    if (this.isOver) return;
    this.#isGone = true;
    this.#stop();
    this.#sink({ type: "interface-removed" });
  }

  /** The driver keeps the reads of a handle, and gives them up together with what they are for. */
  protected async withoutReads(end: () => Promise<unknown>): Promise<void> {
    this.#reads.stop();
    this.transport = undefined;
    await end();
    await this.#reads.drained();
  }

  /** The handle was closed, and with it the link went down. */
  protected lowered(): void {
    this.#isRaised = false;
  }

  /** Routes of the system. Nobody waits for what follows an event. */
  protected forgetRoutes(peer: number): void {
    try {
      this.adapter.setPeerRoutes(peer, []);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.tell({
        type: "unknown",
        native: 0,
        detail: `routes of peer ${peer} cannot be removed: ${reason}`,
      });
    }
  }

  #disconnect(): Promise<void> {
    if (this.isOver) return Promise.resolve();
    return this.disconnect();
  }

  #onPacket(packet: Packet): void {
    if (this.transport) this.transport.take(packet);
    else if (this.#early.length < MOST_EARLY) this.#early.push(packet);
  }

  #onReadFailure(error: unknown): void {
    if (this.isOver || isWin32(error, PACKET_LOST)) return;
    if (isWin32(error, ...GONE)) this.gone();
    else if (this.transport) this.onReadEvent(error);
    else this.#failEarly(error);
  }

  /** No others are begun, which may fail in the same way at once, and without end. */
  #failEarly(error: unknown): void {
    this.#reads.stop();
    this.#failedEarly ??= error;
  }

  #look(): void {
    if (this.isOver) return;
    try {
      if (!this.adapter.isPresent()) {
        this.gone();
        return;
      }
      const up = this.adapter.isLinkUp() ?? this.#isRaised;
      if (up !== this.#wasUp) this.tell({ type: "link", up });
      this.#wasUp = up;
    } catch {
      // The next look may succeed.
    }
  }

  #stop(): void {
    this.isOver = true;
    this.#reads.stop();
    clearInterval(this.#timer);
  }

  async #close(deleteInterface: boolean): Promise<void> {
    this.#stop();
    try {
      this.adapter.close();
    } finally {
      try {
        await this.exchange.close();
      } finally {
        // Also where the driver does not let the handle go: what was made is not left behind for that.
        if (deleteInterface && !this.#isGone) await this.adapter.remove();
      }
    }
  }
}

/** What SET_PEER takes. */
export function timesOf(keepalive: Keepalive | "off"): Keepalive {
  return keepalive === "off" ? { interval: 0, timeout: 0 } : keepalive;
}

export function statsOf(id: number, stats: DeviceStats | undefined): BackendStats {
  if (stats === undefined) return { id, link: undefined, tunnel: undefined };
  const packets = { rxPackets: undefined, txPackets: undefined };
  return {
    id,
    link: { rxBytes: stats.linkRxBytes, txBytes: stats.linkTxBytes, ...packets },
    tunnel: { rxBytes: stats.vpnRxBytes, txBytes: stats.vpnTxBytes, ...packets },
  };
}

export function knownOnlyById(id: number): BackendPeer {
  const unknown = { remote: undefined, local: undefined, vpn4: undefined, vpn6: undefined };
  return { id, ...unknown, keepalive: undefined, txId: undefined };
}

/** Whether the driver has statistics of each peer. */
export function hasPeerStats({ major, minor }: DriverVersion): boolean {
  return major > 2 || (major === 2 && minor >= 7);
}
