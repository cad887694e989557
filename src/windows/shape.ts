/**
 * COMPILE-TIME PROOF, NOT A BACKEND: that the contract's shape fits Windows' `ovpn-dco-win`.
 *
 * Nothing of this package leads here and the build leaves it out, until the Windows backend is written. What is
 * below (handles, IOCTLs, structures, the adapter as a network link) is only declared, in exchange.ts.
 */
import type {
  AddPeerRequest,
  BackendDriver,
  BackendEventSink,
  BackendInterface,
  BackendListener,
  BackendPeer,
  BackendStats,
  BackendTransport,
  BackendTransportHandlers,
  ConfigureRequest,
  IpEndpoint,
  IpPrefix,
  KeyRequest,
  NativeDeleteReason,
  OpenTransportRequest,
  PeerFields,
} from "../core/backend.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { DcoError, unsupported } from "../core/errors.ts";
import type { Endpoint, InterfaceMode, Keepalive } from "../core/model.ts";
import type { WindowsAdapter, WindowsExchange, WindowsNotification, WindowsPeerStats } from "./exchange.ts";

const ERROR_NETNAME_DELETED = 64;
const ERROR_OPERATION_ABORTED = 995;
const ERROR_CONNECTION_ABORTED = 1236;

/** Reads that are always pended: one may end with an event while another gets a packet. */
const PENDED_READS = 3;

const REASONS: readonly NativeDeleteReason[] = [
  "teardown",
  "userspace",
  "expired",
  "transport-error",
  "transport-disconnect",
];

/** The one transport of an interface: the driver's socket, behind the device handle. */
class WindowsTransport implements BackendTransport {
  readonly protocol: "udp" | "tcp";
  readonly local: Endpoint | undefined;
  readonly remote: Endpoint | undefined;
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  readonly #exchange: WindowsExchange;
  readonly #onClose: () => Promise<void>;
  handlers: BackendTransportHandlers | undefined;

  constructor(
    request: OpenTransportRequest,
    local: Endpoint | undefined,
    exchange: WindowsExchange,
    onClose: () => Promise<void>,
  ) {
    this.protocol = request.protocol;
    this.local = local;
    this.remote = request.remote && endpointOf(request.remote);
    this.family = request.local?.family ?? request.remote?.family ?? 4;
    this.dualStack = request.dualStack;
    this.#exchange = exchange;
    this.#onClose = onClose;
  }

  /** The interface reads for it: the same reads bring events. */
  start(handlers: BackendTransportHandlers): void {
    this.handlers = handlers;
  }

  send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    return this.#exchange.write(packet, to);
  }

  droppedKernel(): undefined {
    return undefined;
  }

  close(): Promise<void> {
    return this.#onClose();
  }
}

/** What both modes have in common: reads that bring packets and events, a link that comes with the transport. */
abstract class WindowsInterface implements BackendInterface {
  readonly name: string;
  readonly index: number;
  readonly created: boolean;
  abstract readonly mode: InterfaceMode;
  readonly capabilities: Capabilities;
  protected readonly exchange: WindowsExchange;
  protected readonly adapter: WindowsAdapter;
  protected readonly peerIds = new Set<number>();
  protected transport: WindowsTransport | undefined;
  protected sink: BackendEventSink = () => {};
  protected closed = false;
  #wanted: ConfigureRequest | undefined;
  #stop = () => {};

  constructor(
    link: Pick<BackendInterface, "name" | "index" | "created"> & { readonly capabilities: Capabilities },
    exchange: WindowsExchange,
    adapter: WindowsAdapter,
  ) {
    this.name = link.name;
    this.index = link.index;
    this.created = link.created;
    this.capabilities = link.capabilities;
    this.exchange = exchange;
    this.adapter = adapter;
  }

  async start(sink: BackendEventSink): Promise<void> {
    this.sink = sink;
    const link = (up: boolean | undefined) =>
      sink(up === undefined ? { type: "interface-removed" } : { type: "link", up });
    this.#stop = this.adapter.watch(link);
  }

  async configure(request: ConfigureRequest, signal: AbortSignal | undefined): Promise<void> {
    if (this.transport === undefined) {
      const given = Object.entries(request).filter(([, value]) => value !== undefined);
      this.#wanted = { ...(this.#wanted ?? request), ...Object.fromEntries(given) };
      return;
    }
    if (request.up === false) throw unsupported("linkDown", "the link goes down only with the interface");
    await this.adapter.configure(request, signal);
  }

  isLinkUp(): Promise<boolean> {
    return this.adapter.isLinkUp();
  }

  /** Makes the driver's socket, and with it the link; what was configured before is applied to it. */
  async openTransport(
    request: OpenTransportRequest,
    signal: AbortSignal | undefined,
  ): Promise<BackendTransport> {
    try {
      const local = await this.connect(request, signal);
      if (this.#wanted) await this.adapter.configure(this.#wanted, signal);
      const transport: WindowsTransport = new WindowsTransport(request, local, this.exchange, async () => {
        if (this.transport === transport) await this.disconnect();
      });
      this.transport = transport;
      for (let i = 0; i < PENDED_READS; i++) void this.#read(transport);
      return transport;
    } catch (error) {
      await this.disconnect();
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

  async stats(): Promise<BackendStats[]> {
    return (await this.exchange.ioctl("GET_PEER_STATS", { peer: -1 })).map(statsOf);
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

  async close(deleteInterface: boolean): Promise<void> {
    this.closed = true;
    this.#stop();
    await this.exchange.close();
    if (deleteInterface) await this.adapter.remove();
  }

  abstract addPeer(request: AddPeerRequest, transport: BackendTransport): Promise<void>;
  abstract setPeer(id: number, request: PeerFields): Promise<void>;
  abstract removePeer(id: number): Promise<void>;
  abstract swapKeys(peer: number): Promise<void>;
  /** Makes the socket; gives its local address where the driver tells. */
  protected abstract connect(
    request: OpenTransportRequest,
    signal: AbortSignal | undefined,
  ): Promise<Endpoint | undefined>;
  /** Undoes `connect`, as far as it got. */
  protected abstract disconnect(): Promise<void>;
  /** What the failure of a pended read means. */
  protected abstract onReadFailure(error: DcoError): void;

  async #read(transport: WindowsTransport): Promise<void> {
    while (!this.closed && this.transport === transport) {
      try {
        const { data, address } = await this.exchange.read();
        const from = address ?? transport.remote;
        if (from) transport.handlers?.onPacket(data, from);
      } catch (error) {
        if (DcoError.is(error) && error.native?.number === ERROR_OPERATION_ABORTED) return;
        this.onReadFailure(error as DcoError);
      }
    }
  }
}

/** p2p: socket and peer are one, made by `openTransport` and ended by whatever ends either. No events. */
export class WindowsP2pInterface extends WindowsInterface {
  readonly mode = "p2p";

  async addPeer(request: AddPeerRequest): Promise<void> {
    this.peerIds.add(request.id);
    if (request.routes) await this.adapter.setPeerRoutes(request.id, request.routes);
  }

  async setPeer(id: number, { keepalive, routes }: PeerFields): Promise<void> {
    if (keepalive !== undefined) await this.exchange.ioctl("SET_PEER", timesOf(keepalive));
    if (routes) await this.adapter.setPeerRoutes(id, routes);
  }

  removePeer(): Promise<void> {
    return this.#end("userspace", undefined);
  }

  async swapKeys(): Promise<void> {
    await this.exchange.ioctl("SWAP_KEYS", undefined);
  }

  protected async connect(
    request: OpenTransportRequest,
    signal: AbortSignal | undefined,
  ): Promise<undefined> {
    const { local, remote, protocol } = request;
    if (remote === undefined) throw unsupported("anyRemote", "a p2p transport needs its remote address");
    await this.exchange.ioctl("NEW_PEER", { local, remote, protocol }, signal);
    await this.exchange.ioctl("START_VPN", undefined, signal);
  }

  /** Cancelling NEW_PEER leaves the peer there. */
  protected async disconnect(): Promise<void> {
    this.transport = undefined;
    if (!this.closed) await this.exchange.ioctl("DEL_PEER", undefined);
  }

  protected onReadFailure(error: DcoError): void {
    const code = error.native?.number;
    if (code === ERROR_NETNAME_DELETED) void this.#end("expired", undefined);
    else if (code === ERROR_CONNECTION_ABORTED) void this.#end("transport-disconnect", error);
    else void this.#end("transport-error", error);
  }

  /** The driver keeps an expired peer and its socket; here the one ends with the other. */
  async #end(reason: NativeDeleteReason, error: DcoError | undefined): Promise<void> {
    const { transport } = this;
    if (transport === undefined) return;
    await this.disconnect();
    for (const peer of this.peerIds) {
      this.peerIds.delete(peer);
      await this.adapter.setPeerRoutes(peer, []);
      this.sink({ type: "peer-deleted", peer, reason });
    }
    transport.handlers?.onEnd(error);
  }
}

/** Multi-peer: one UDP socket for the life of the handle, and events of their own. */
export class WindowsMultipeerInterface extends WindowsInterface {
  readonly mode = "multipeer";
  /** What a peer's routes are now, for the difference. */
  readonly #routes = new Map<number, readonly IpPrefix[]>();

  override async start(sink: BackendEventSink): Promise<void> {
    await super.start(sink);
    void this.#notifications();
  }

  async addPeer(request: AddPeerRequest): Promise<void> {
    const { id: peer, remote, vpn4, vpn6, routes } = request;
    if (remote === undefined)
      throw new DcoError("invalid", "remote: a UDP peer needs it", { field: "remote" });
    await this.exchange.ioctl("MP_NEW_PEER", { peer, remote, vpn4, vpn6 });
    this.peerIds.add(peer);
    if (routes) await this.#setRoutes(peer, routes);
  }

  async setPeer(peer: number, { keepalive, routes }: PeerFields): Promise<void> {
    if (keepalive !== undefined) await this.exchange.ioctl("MP_SET_PEER", { peer, ...timesOf(keepalive) });
    if (routes) await this.#setRoutes(peer, routes);
  }

  /** Its event comes by NOTIFY_EVENT, with reason `userspace`. */
  async removePeer(peer: number): Promise<void> {
    await this.exchange.ioctl("MP_DEL_PEER", { peer });
    await this.#forget(peer);
  }

  async swapKeys(peer: number): Promise<void> {
    await this.exchange.ioctl("MP_SWAP_KEYS", { peer });
  }

  protected async connect(request: OpenTransportRequest): Promise<Endpoint> {
    const { local, remote, dualStack } = request;
    const any = remote && { ...remote, bytes: new Uint8Array(remote.bytes.length), port: 0 };
    const listen = local ?? any;
    if (listen === undefined) throw new DcoError("invalid", "local: is missing", { field: "local" });
    return (await this.exchange.ioctl("MP_START_VPN", { listen, ipv6Only: !dualStack })).local;
  }

  /** For a transport that nobody got; one that was handed out goes with the interface (closeTransport). */
  protected async disconnect(): Promise<void> {
    this.transport = undefined;
    if (this.closed) return;
    await this.exchange.reset();
    await this.exchange.ioctl("SET_MODE", { mode: "multipeer" });
    void this.#notifications();
  }

  protected onReadFailure(): void {
    if (this.closed) return;
    this.closed = true;
    this.sink({ type: "interface-removed" });
  }

  async #setRoutes(peer: number, routes: readonly IpPrefix[]): Promise<void> {
    for (const prefix of this.#routes.get(peer) ?? []) await this.exchange.ioctl("MP_DEL_IROUTE", { prefix });
    for (const prefix of routes) await this.exchange.ioctl("MP_ADD_IROUTE", { peer, prefix });
    this.#routes.set(peer, routes);
    await this.adapter.setPeerRoutes(peer, routes);
  }

  async #forget(peer: number): Promise<void> {
    this.peerIds.delete(peer);
    this.#routes.delete(peer);
    await this.adapter.setPeerRoutes(peer, []);
  }

  /** One request is always pended; the driver queues events meanwhile. */
  async #notifications(): Promise<void> {
    try {
      for (;;) this.#tell(await this.exchange.ioctl("NOTIFY_EVENT", undefined));
    } catch (error) {
      if (!DcoError.is(error) || error.native?.number !== ERROR_OPERATION_ABORTED) this.onReadFailure();
    }
  }

  #tell({ command, peer, reason, address }: WindowsNotification): void {
    if (command === 0) {
      const why = REASONS[reason] ?? "unknown";
      // Our own removals may be told after another peer with the same id was added.
      if (why !== "userspace") void this.#forget(peer);
      this.sink({ type: "peer-deleted", peer, reason: why });
    } else if (command === 2 && address) {
      this.sink({ type: "peer-floated", peer, remote: address });
    } else {
      this.sink({ type: "unknown", native: command, detail: "an event of a newer driver" });
    }
  }
}

/** What the driver does with a fresh handle: the mode is chosen before anything else. */
export async function openInterface(
  mode: InterfaceMode,
  link: Pick<BackendInterface, "name" | "index" | "created"> & { readonly capabilities: Capabilities },
  exchange: WindowsExchange,
  adapter: WindowsAdapter,
): Promise<BackendInterface> {
  if (mode === "p2p") return new WindowsP2pInterface(link, exchange, adapter);
  await exchange.ioctl("SET_MODE", { mode });
  return new WindowsMultipeerInterface(link, exchange, adapter);
}

/** What the driver must know of arguments: a name is a connection's name or its GUID; an adapter may be made. */
export const WINDOWS_RULES: BackendDriver["rules"] = {
  interfaceNameProblem: (name) =>
    /[\\/:*?"<>|\t]/.test(name) ? "is not a name that Windows takes" : undefined,
  extras: {
    createInterface: {
      createAdapter: (value) => (typeof value === "boolean" ? undefined : "must be true or false"),
    },
  },
};

function timesOf(keepalive: Keepalive | "off"): Keepalive {
  return keepalive === "off" ? { interval: 0, timeout: 0 } : keepalive;
}

function knownOnlyById(id: number): BackendPeer {
  const unknown = { remote: undefined, local: undefined, vpn4: undefined, vpn6: undefined };
  return { id, ...unknown, keepalive: undefined, txId: undefined };
}

function statsOf(stats: WindowsPeerStats): BackendStats {
  const packets = { rxPackets: undefined, txPackets: undefined };
  return {
    id: stats.peer,
    link: { rxBytes: stats.linkRxBytes, txBytes: stats.linkTxBytes, ...packets },
    tunnel: { rxBytes: stats.vpnRxBytes, txBytes: stats.vpnTxBytes, ...packets },
  };
}

function endpointOf({ text, port, scopeId }: IpEndpoint): Endpoint {
  return scopeId === 0 ? { address: text, port } : { address: text, port, scopeId };
}
