/**
 * COMPILE-TIME PROOF, NOT A BACKEND: that the contract's shape fits the out-of-tree module `ovpn-dco-v2`.
 *
 * Nothing of this package leads here and the build leaves it out, until that backend is written. What is below
 * the exchange (generic netlink, sockets, the link) is declared, not made; it will be what the in-tree module uses.
 */
import type {
  AddPeerRequest,
  BackendEventSink,
  BackendInterface,
  BackendListener,
  BackendPeer,
  BackendStats,
  BackendTransport,
  ConfigureRequest,
  IpAddress,
  IpEndpoint,
  IpPrefix,
  KeyRequest,
  ListenRequest,
  NativeDeleteReason,
  OpenTransportRequest,
  PeerFields,
} from "../core/backend.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { DcoError } from "../core/errors.ts";
import type { Endpoint, InterfaceMode, KeySlot } from "../core/model.ts";
import { FloatWatch } from "./float-watch.ts";
import { legacyCapabilities } from "./legacy-capabilities.ts";

/** What a request holds, by command: the attributes of its nest. */
export interface LegacyRequests {
  NEW_PEER: {
    readonly peer: number;
    readonly socket: number;
    /** sockaddr_in or sockaddr_in6 of the socket's family; none for TCP. */
    readonly remote: IpEndpoint | undefined;
    readonly local: IpAddress | undefined;
    readonly ipv4: Uint8Array | undefined;
    readonly ipv6: Uint8Array | undefined;
  };
  /** Both halves, or the module does nothing and says that it went well. */
  SET_PEER: { readonly peer: number; readonly interval: number; readonly timeout: number };
  DEL_PEER: { readonly peer: number };
  NEW_KEY: { readonly peer: number; readonly key: KeyRequest; readonly cipher: 1 | 2 };
  SWAP_KEYS: { readonly peer: number };
  DEL_KEY: { readonly peer: number; readonly slot: 0 | 1 };
}

/** One peer as GET_PEER tells; its packet counters have 32 bits. */
export interface LegacyPeer {
  readonly peer: Omit<BackendPeer, "txId">;
  readonly stats: BackendStats;
}

/** The family's requests for one interface, off the event loop where they take long. Failures by errno. */
export interface LegacyExchange {
  request<C extends keyof LegacyRequests>(command: C, attributes: LegacyRequests[C]): Promise<void>;
  get(peer: number): Promise<LegacyPeer>;
  /** Empty in p2p mode, whatever is there. */
  dump(): Promise<LegacyPeer[]>;
  /** The group `peers` in the namespace of the interface; an event may be much later than what it tells of. */
  watch(deleted: (peer: number, reason: number) => void, lost: (count: number) => void): () => void;
}

/** A socket of this process; the module keeps its own reference until the last peer is gone. */
export interface LegacyTransport extends BackendTransport {
  readonly fd: number;
}

/** Sockets, and the interface as a network link. */
export interface LegacySystem {
  openSocket(request: OpenTransportRequest, signal: AbortSignal | undefined): Promise<LegacyTransport>;
  listen(request: ListenRequest): Promise<BackendListener>;
  configure(request: ConfigureRequest): Promise<void>;
  isLinkUp(): Promise<boolean>;
  watchLink(link: (up: boolean | undefined) => void): () => void;
  setPeerRoutes(peer: number, routes: readonly IpPrefix[], via: Pick<PeerFields, "vpn4" | "vpn6">): void;
  deleteLink(): Promise<void>;
}

const SLOTS = { primary: 0, secondary: 1 } as const;

const REASONS: readonly NativeDeleteReason[] = [
  "teardown",
  "userspace",
  "expired",
  "transport-error",
  "transport-disconnect",
];

/** See {@link BackendInterface}. */
export class LegacyInterface implements BackendInterface {
  readonly name: string;
  readonly index: number;
  readonly mode: InterfaceMode;
  readonly created: boolean;
  readonly capabilities: Capabilities;
  readonly #exchange: LegacyExchange;
  readonly #system: LegacySystem;
  /** The peers of this process: in p2p mode nobody else knows their ids. */
  readonly #peers = new Map<number, AddPeerRequest>();
  #floats: FloatWatch | undefined;
  #stops: (() => void)[] = [];

  constructor(
    link: Pick<BackendInterface, "name" | "index" | "mode" | "created">,
    exchange: LegacyExchange,
    system: LegacySystem,
  ) {
    this.name = link.name;
    this.index = link.index;
    this.mode = link.mode;
    this.created = link.created;
    this.capabilities = legacyCapabilities(link.mode);
    this.#exchange = exchange;
    this.#system = system;
  }

  async start(sink: BackendEventSink): Promise<void> {
    const deleted = (peer: number, reason: number) => {
      // It may come after another peer with the same id was added.
      void this.peer(peer).catch(() => this.#forget(peer));
      sink({ type: "peer-deleted", peer, reason: REASONS[reason] ?? "unknown" });
    };
    const floated = (peer: number, remote: Endpoint) => sink({ type: "peer-floated", peer, remote });
    const link = (up: boolean | undefined) =>
      sink(up === undefined ? { type: "interface-removed" } : { type: "link", up });
    this.#floats = new FloatWatch(() => this.peers(), floated);
    this.#stops = [
      this.#exchange.watch(deleted, (lost) => sink({ type: "overflow", lost })),
      this.#system.watchLink(link),
    ];
  }

  configure(request: ConfigureRequest): Promise<void> {
    return this.#system.configure(request);
  }

  isLinkUp(): Promise<boolean> {
    return this.#system.isLinkUp();
  }

  openTransport(request: OpenTransportRequest, signal: AbortSignal | undefined): Promise<BackendTransport> {
    return this.#system.openSocket(request, signal);
  }

  listen(request: ListenRequest): Promise<BackendListener> {
    return this.#system.listen(request);
  }

  async addPeer(request: AddPeerRequest, transport: BackendTransport): Promise<void> {
    const { id: peer, remote, local, vpn4: ipv4, vpn6: ipv6 } = request;
    const socket = transport as LegacyTransport;
    await this.#exchange.request("NEW_PEER", { peer, socket: socket.fd, remote, local, ipv4, ipv6 });
    this.#peers.set(peer, request);
    if (remote) {
      this.#floats?.set(peer, { address: remote.text, port: remote.port, scopeId: remote.scopeId });
    }
    if (request.routes) this.#system.setPeerRoutes(peer, request.routes, request);
  }

  async setPeer(id: number, { keepalive, routes }: PeerFields): Promise<void> {
    const off = { interval: 0, timeout: 0 };
    if (keepalive !== undefined) {
      await this.#exchange.request("SET_PEER", { peer: id, ...(keepalive === "off" ? off : keepalive) });
    }
    const via = this.#peers.get(id);
    if (routes && via) this.#system.setPeerRoutes(id, routes, via);
  }

  async removePeer(id: number): Promise<void> {
    await this.#exchange.request("DEL_PEER", { peer: id });
    this.#forget(id);
  }

  async peer(id: number): Promise<BackendPeer> {
    return withTxId((await this.#exchange.get(id)).peer);
  }

  async peers(): Promise<BackendPeer[]> {
    return (await this.#all()).map(({ peer }) => withTxId(peer));
  }

  async stats(): Promise<BackendStats[]> {
    return (await this.#all()).map(({ stats }) => stats);
  }

  async installKey(peer: number, key: KeyRequest): Promise<void> {
    const cipher = key.cipher === "chacha20-poly1305" ? 2 : 1;
    await this.#exchange.request("NEW_KEY", { peer, key, cipher });
  }

  swapKeys(peer: number): Promise<void> {
    return this.#exchange.request("SWAP_KEYS", { peer });
  }

  deleteKey(peer: number, slot: KeySlot): Promise<void> {
    return this.#exchange.request("DEL_KEY", { peer, slot: SLOTS[slot] });
  }

  async keys(): Promise<undefined> {
    return undefined;
  }

  /** Peers go before their interface: the module has hung on the deletion of one with TCP peers. */
  async close(deleteInterface: boolean): Promise<void> {
    this.#floats?.stop();
    for (const stop of this.#stops) stop();
    if (!deleteInterface) return;
    await Promise.allSettled([...this.#peers.keys()].map((id) => this.removePeer(id)));
    await this.#system.deleteLink();
  }

  /** A p2p interface dumps nothing, so each peer is asked for. */
  async #all(): Promise<LegacyPeer[]> {
    if (this.mode === "multipeer") return this.#exchange.dump();
    const asked = [...this.#peers.keys()].map((id) => this.#exchange.get(id).catch(undefinedIfNotFound));
    return (await Promise.all(asked)).filter((peer) => peer !== undefined);
  }

  #forget(id: number): void {
    const known = this.#peers.get(id);
    if (known === undefined) return;
    this.#peers.delete(id);
    this.#floats?.delete(id);
    this.#system.setPeerRoutes(id, [], known);
  }
}

/** The module has one id for both directions. */
function withTxId(peer: LegacyPeer["peer"]): BackendPeer {
  return { ...peer, txId: peer.id };
}

function undefinedIfNotFound(error: unknown): undefined {
  if (!DcoError.is(error) || error.code !== "not-found") throw error;
}
