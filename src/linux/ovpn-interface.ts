/**
 * One interface of a DCO module: of the in-tree one, or of another by its codec.
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
  IpAddress,
  IpEndpoint,
  IpPrefix,
  KeyRequest,
  ListenRequest,
  OpenTransportRequest,
  Outcome,
  PeerFields,
} from "../core/backend.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { DcoError, withEffect } from "../core/errors.ts";
import { chain, type Maybe, settle } from "../core/maybe.ts";
import type { InterfaceMode, KeyInfo, KeySlot } from "../core/model.ts";
import { Pace } from "../core/pace.ts";
import type { OneProcessor } from "../ffi/one-processor.ts";
import type { MessageBuilder } from "../netlink/codec/builder.ts";
import type { LinkInfo } from "../netlink/codec/link.ts";
import type { NetlinkMessage } from "../netlink/codec/message.ts";
import { Configuration } from "../netlink/configure.ts";
import { LANES } from "../netlink/lanes.ts";
import { LinkWatch } from "../netlink/link-watch.ts";
import { findLink, removeLink } from "../netlink/links.ts";
import type { Build, Decode } from "../netlink/netlink-socket.ts";
import type { ModuleCodec } from "./codec.ts";
import type { Contexts, NamespaceContext, System } from "./context.ts";
import { FloatWatch } from "./float-watch.ts";
import { moduleFormat } from "./formats.ts";
import type { NewPeer, OvpnTarget } from "./ovpn/requests.ts";
import { PeerNotifications } from "./ovpn-events.ts";
import { type KeyItem, OvpnKeys } from "./ovpn-keys.ts";
import { peerOf, statsOf, withScope } from "./ovpn-peers.ts";
import { OvpnRequests } from "./ovpn-requests.ts";
import { OvpnTransports } from "./ovpn-transports.ts";
import { boundSource, settingsOf } from "./peer-settings.ts";
import { TcpTransport } from "./tcp-transport.ts";
import { HeldUdpTransport, type UdpTransport } from "./udp-transport.ts";
import { VpnAddresses } from "./vpn-addresses.ts";

/** What an interface is made of. */
export interface OvpnInterfaceParts {
  readonly system: System;
  readonly contexts: Contexts;
  /** Acquired for this interface, which releases it. */
  readonly context: NamespaceContext;
  readonly codec: ModuleCodec;
  /** The number of the module's generic netlink family. */
  readonly family: number;
  readonly link: LinkInfo;
  readonly mode: InterfaceMode;
  readonly created: boolean;
  readonly capabilities: Capabilities;
  /** For modules that have to be asked from one. */
  readonly oneProcessor: OneProcessor;
  /** Ciphers whose kernel modules are loaded. Shared by the interfaces of a driver. */
  readonly warmCiphers: Set<string>;
}

/** What the kernel does not keep of a peer. */
interface KnownPeer {
  readonly transport: UdpTransport | TcpTransport;
  readonly routes: readonly IpPrefix[];
  /** Where packets to it come from, if that was said. */
  readonly local: IpAddress | undefined;
  /** The interface of its remote, if that is a link-local address. */
  readonly scopeId: number | undefined;
}

/** How long, and how often, is looked whether all peers of an interface that is gone have ended. */
const LAST_ENDS_MS = 1000;
const LAST_ENDS_POLL_MS = 5;

/** Most peers have none: they share this. */
const NO_ROUTES: readonly IpPrefix[] = [];

/** An item of `addPeersNow`. */
interface AddItem {
  readonly request: AddPeerRequest;
  readonly transport: BackendTransport;
}

/** See {@link BackendInterface}. */
export class OvpnInterface implements BackendInterface {
  readonly name: string;
  readonly index: number;
  readonly mode: InterfaceMode;
  readonly created: boolean;
  readonly capabilities: Capabilities;
  readonly #parts: OvpnInterfaceParts;
  readonly #codec: ModuleCodec;
  readonly #context: NamespaceContext;
  readonly #target: OvpnTarget;
  readonly #requests: OvpnRequests;
  readonly #keys: OvpnKeys;
  readonly #transports: OvpnTransports;
  readonly #link: LinkWatch;
  readonly #configuration: Configuration;
  /** The peers that this process added. */
  readonly #peers = new Map<number, KnownPeer>();
  /** The ids of peers that somebody else added. */
  readonly #strangers = new Set<number>();
  /** What the kernel does not look at by itself. */
  #vpnAddresses: VpnAddresses | undefined;
  /** Counts what makes the kernel's list of peers another. */
  #changes = 0;
  #sink: BackendEventSink | undefined;
  #notifications: PeerNotifications | undefined;
  #floatWatch: FloatWatch | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: OvpnInterfaceParts) {
    const { system, contexts, context, codec, family, link } = parts;
    this.#parts = parts;
    this.#codec = codec;
    this.#context = context;
    this.name = link.name;
    this.index = link.index;
    this.mode = parts.mode;
    this.created = parts.created;
    this.capabilities = parts.capabilities;
    this.#target = { family, ifindex: link.index };
    this.#configuration = new Configuration(context, link.index);
    this.#link = new LinkWatch(context, link, this.#configuration);
    this.#requests = new OvpnRequests(
      context,
      codec,
      this.#target,
      link.name,
      (message) => this.#sink?.({ type: "permission-lost", message }),
      codec.releasesAtOnce ? undefined : parts.oneProcessor,
    );
    this.#keys = new OvpnKeys(this.#requests, parts.warmCiphers);
    this.#transports = new OvpnTransports(system, contexts, context, codec.sockets, {
      onDatagram: (datagram) => this.#notifications?.take(datagram),
      onOverflow: (lost) => this.#sink?.({ type: "overflow", lost }),
    });
  }

  async start(sink: BackendEventSink): Promise<void> {
    this.#sink = sink;
    if (this.mode === "multipeer" && !this.#refusesSameVpn()) this.#vpnAddresses = new VpnAddresses();
    const { tracer } = this.#parts.system;
    const told: BackendEventSink = (event) => sink(this.#corrected(event));
    this.#notifications = new PeerNotifications(this.#codec, this.#target, told, tracer);
    if (this.capabilities.floatEvent === "poll") {
      this.#floatWatch = new FloatWatch(
        () => this.peers(),
        (peer, remote) => sink({ type: "peer-floated", peer, remote }),
      );
    }
    this.#link.start((event) => {
      if (event.type === "interface-removed") this.#afterLastEnds(() => sink(event));
      else sink(event);
    });
    this.#transports.start();
  }

  /** Whether the kernel refuses a VPN address that another peer has. Nobody without rights adds any. */
  #refusesSameVpn(): boolean {
    const { genl } = this.#context;
    const { vpnProbe } = this.#codec;
    if (vpnProbe === undefined) return false;
    try {
      genl.request(moduleFormat(this.#codec, this.#target.family), (to, seq) =>
        vpnProbe(to, this.#target, seq),
      );
    } catch (error) {
      const refusal = DcoError.is(error) ? error.native?.name : undefined;
      return refusal === "EINVAL" || refusal === "EPERM";
    }
    return false;
  }

  /** A p2p peer that somebody else's has taken the place of is told as if the link went, which it did not. */
  #corrected(event: BackendEvent): BackendEvent {
    if (event.type !== "peer-deleted" || event.reason !== "teardown" || this.mode !== "p2p") return event;
    try {
      const isThere = findLink(this.#context, { index: this.index }) !== undefined;
      return isThere ? { ...event, reason: "userspace" } : event;
    } catch {
      return event;
    }
  }

  /** A module that releases peers by a work queue tells of their ends after the kernel has told of the link's. */
  #afterLastEnds(tell: () => void): void {
    const deadline = performance.now() + LAST_ENDS_MS;
    const look = () => {
      const isOver = this.#closing || this.#peers.size + this.#strangers.size === 0;
      if (isOver || performance.now() > deadline) tell();
      else setTimeout(look, LAST_ENDS_POLL_MS).unref();
    };
    if (this.#codec.sockets === "framed") tell();
    else look();
  }

  async configure(request: ConfigureRequest): Promise<void> {
    try {
      this.#configuration.apply(request);
    } catch (error) {
      this.#requests.noteRefusal(error);
      throw error;
    }
  }

  async isLinkUp(): Promise<boolean> {
    return this.#link.isUp();
  }

  openTransport(request: OpenTransportRequest, signal: AbortSignal | undefined): Promise<BackendTransport> {
    return this.#transports.open(request, signal);
  }

  listen(request: ListenRequest): Promise<BackendListener> {
    return this.#transports.listen(request);
  }

  addPeer(request: AddPeerRequest, transport: BackendTransport): Maybe<void> {
    const socket = transport as UdpTransport | TcpTransport;
    const peer = newPeerOf(request, socket);
    heldOf(socket)?.checkUse();
    this.#vpnAddresses?.claim(request);
    const build: Build = (to, seq) => this.#codec.peerNew(to, this.#target, seq, peer);
    const attach = () => this.#requests.changePeers(() => this.#requests.do(build));
    const attached = settle(
      () => (socket instanceof TcpTransport ? socket.attach(attach) : attach()),
      () => {},
      () => this.#vpnAddresses?.release(request.id),
    );
    return chain(attached, () => {
      this.#added(request, socket);
      const { routes = NO_ROUTES } = request;
      return routes.length === 0 ? undefined : this.#addRoutes(request, routes);
    });
  }

  async #addRoutes(request: AddPeerRequest, routes: readonly IpPrefix[]): Promise<void> {
    const { id } = request;
    try {
      this.#configuration.setPeerRoutes(id, routes, request);
    } catch (error) {
      await this.removePeer(id);
      this.#peers.delete(id);
      this.#floatWatch?.delete(id);
      throw error;
    }
  }

  addPeersNow(items: readonly AddItem[]): readonly Outcome[] {
    // Attaching a TCP connection takes turns.
    if (items.some(({ transport }) => transport instanceof TcpTransport)) return items.map(() => "later");
    const isRefused = items.some(({ transport }) => heldOf(transport)?.isUsable === false);
    // One by one each gets its own error.
    if (isRefused || this.#vpnAddresses?.claimAll(items.map(({ request }) => request)) === false) {
      return items.map(() => "later");
    }
    const build = (to: MessageBuilder, sequence: number, n: number) => {
      const { request, transport } = items[n] as AddItem;
      this.#codec.peerNew(to, this.#target, sequence, newPeerOf(request, transport as UdpTransport));
    };
    const outcomes = this.#requests.changePeers(() => this.#requests.doMany(items.length, build));
    for (const [n, { request, transport }] of items.entries()) {
      if (outcomes[n] === undefined) this.#added(request, transport as UdpTransport);
      else this.#vpnAddresses?.release(request.id);
    }
    return outcomes;
  }

  #added(request: AddPeerRequest, socket: UdpTransport | TcpTransport): void {
    const { id, remote, routes = NO_ROUTES } = request;
    const local = request.local ?? boundSource(socket, remote);
    const scopeId = remote?.scopeId || socket.local?.scopeId;
    this.#peers.set(id, { transport: socket, routes, local, scopeId });
    this.#changes++;
    heldOf(socket)?.peerAdded(id);
    this.#watchRemote(id, remote);
  }

  setPeer(id: number, request: PeerFields): void {
    const known = this.#peers.get(id);
    const { remote } = request;
    // The kernel takes both together, and forgets the local address that is left out.
    const before = known?.local?.family === remote?.family ? known?.local : undefined;
    const local = request.local ?? before;
    const settings = settingsOf(id, request, local, known?.transport);
    const { routes } = request;
    const hasOthers = changesPeer(request);
    if (hasOthers) {
      const undo = this.#vpnAddresses?.change({ id, vpn4: request.vpn4, vpn6: request.vpn6 });
      try {
        this.#requests.do((to, seq) => this.#codec.peerSet(to, this.#target, seq, settings));
      } catch (error) {
        undo?.();
        throw error;
      }
    }
    this.#watchRemote(id, request.remote);
    if (known === undefined) return;
    const now = {
      ...known,
      local: local ?? known.local,
      scopeId: remote?.scopeId || known.scopeId,
      routes: routes ?? known.routes,
    };
    this.#peers.set(id, now);
    if (now.routes.length === 0 && known.routes.length === 0) return;
    if (!routes && !request.vpn4 && !request.vpn6) return;
    const peer = this.#requests.ask(
      (to, seq) => this.#codec.peerGet(to, this.#target, seq, id),
      this.#codec.decodePeer,
    );
    try {
      this.#configuration.setPeerRoutes(id, now.routes, { vpn4: peer?.vpnIpv4, vpn6: peer?.vpnIpv6 });
    } catch (error) {
      this.#peers.set(id, { ...now, routes: known.routes });
      throw hasOthers ? withEffect(error, "unknown") : error;
    }
  }

  async removePeer(id: number): Promise<void> {
    this.#changes++;
    try {
      const request: Build = (to, seq) => this.#codec.peerDel(to, this.#target, seq, id);
      // One that does it later answers at once, and does it where it was asked: see docs/linux.md.
      if (this.#codec.releasesAtOnce) await this.#requests.doSlowly(request);
      else this.#requests.changePeers(() => this.#requests.do(request));
      await heldOf(this.#peers.get(id)?.transport)?.peerRemoved(id);
    } finally {
      this.#changes++;
    }
  }

  peerEnded(id: number): void {
    this.#changes++;
    this.#vpnAddresses?.release(id);
    if (this.#closing) return;
    this.#floatWatch?.delete(id);
    this.#strangers.delete(id);
    const known = this.#peers.get(id);
    heldOf(known?.transport)?.peerEnded(id);
    this.#peers.delete(id);
    if (known === undefined || known.routes.length === 0) return;
    this.#link.attempt(`routes of peer ${id} cannot be removed`, () =>
      this.#configuration.setPeerRoutes(id, [], { vpn4: undefined, vpn6: undefined }),
    );
  }

  peer(id: number): BackendPeer {
    const peer = this.#requests.ask(
      (to, seq) => this.#codec.peerGet(to, this.#target, seq, id),
      (message) => this.#peerOf(message),
    );
    if (peer === undefined) throw new DcoError("protocol", `the kernel did not describe peer ${id}`);
    if (!this.#peers.has(id)) this.#saw([peer]);
    return peer;
  }

  async peers(): Promise<BackendPeer[]> {
    const peers = await this.#dump((message) => this.#peerOf(message));
    this.#saw(peers);
    return peers;
  }

  /** Peers that are there, whoever added them. */
  #saw(peers: readonly BackendPeer[]): void {
    this.#floatWatch?.found(peers);
    this.#vpnAddresses?.note(peers);
    for (const { id } of peers) if (!this.#peers.has(id)) this.#strangers.add(id);
  }

  #peerOf(message: NetlinkMessage): BackendPeer {
    const peer = peerOf(this.#codec.decodePeer(message));
    return withScope(peer, this.#peers.get(peer.id)?.scopeId);
  }

  stats(): Promise<BackendStats[]> {
    return this.#dump((message) => statsOf(this.#codec.decodeCounters(message)));
  }

  /** All peers, each once; those that the kernel passed over are asked for: see dumps.ts. */
  async #dump<T extends { readonly id: number }>(decode: Decode<T>): Promise<T[]> {
    const build: Build = (to, seq) => this.#codec.peerDump(to, this.#target, seq);
    const changes = this.#changes;
    const expected = this.#peers.size + this.#strangers.size;
    const items = await this.#requests.dump(build, decode);
    if (this.#changes === changes && items.length === expected) return items;
    return this.#complete(items, decode);
  }

  async #complete<T extends { readonly id: number }>(items: readonly T[], decode: Decode<T>): Promise<T[]> {
    const found = new Map(items.map((item) => [item.id, item]));
    const before = [...this.#peers.keys(), ...this.#strangers];
    const pace = new Pace();
    for (const id of before) {
      if (found.has(id)) continue;
      try {
        const item = this.#requests.ask((to, seq) => this.#codec.peerGet(to, this.#target, seq, id), decode);
        if (item) found.set(id, item);
      } catch (error) {
        if (!DcoError.is(error) || error.code !== "not-found") throw error;
      }
      if (pace.over) await pace.turn();
    }
    return [...found.values()];
  }

  installKey(peer: number, key: KeyRequest): Maybe<void> {
    return this.#keys.install(peer, key);
  }

  installKeysNow(items: readonly KeyItem[]): readonly Outcome[] {
    return this.#keys.installNow(items);
  }

  swapKeys(peer: number): void {
    this.#keys.swap(peer);
  }

  swapKeysNow(items: readonly { readonly id: number }[]): readonly Outcome[] {
    return this.#keys.swapNow(items);
  }

  deleteKey(peer: number, slot: KeySlot): void {
    this.#keys.delete(peer, slot);
  }

  keys(peer: number): KeyInfo[] | undefined {
    return this.#keys.list(peer, () => this.peer(peer));
  }

  close(deleteInterface: boolean): Promise<void> {
    this.#closing ??= this.#close(deleteInterface);
    return this.#closing;
  }

  async #close(deleteInterface: boolean): Promise<void> {
    this.#floatWatch?.stop();
    this.#link.stop();
    this.#configuration.close();
    try {
      if (deleteInterface) {
        await this.#removePeersFirst();
        await removeLink(this.#context, this.index);
      }
    } finally {
      await this.#transports.close();
      await this.#parts.contexts.release(this.#context);
    }
  }

  /**
   * With the link the kernel removes its peers one after the other, 12 to 16 ms each, and holds the lock that every
   * change of the system's network takes. What fails here is left to that.
   */
  async #removePeersFirst(): Promise<void> {
    const ids = [...this.#peers.keys(), ...this.#strangers];
    // All of them take from one iterator, in the order in which the peers came.
    const left = ids.values();
    const pace = new Pace();
    const remove = async () => {
      for (const id of left) {
        await this.removePeer(id).catch(() => {});
        if (pace.over) await pace.turn();
      }
    };
    await Promise.all(Array.from({ length: Math.min(LANES, ids.length) }, remove));
  }

  #watchRemote(peer: number, remote: IpEndpoint | undefined): void {
    if (remote)
      this.#floatWatch?.set(peer, { address: remote.text, port: remote.port, scopeId: remote.scopeId });
  }
}

/** Whether there is anything in it but routes, which are the system's. */
function changesPeer({ remote, local, vpn4, vpn6, keepalive, txId }: PeerFields): boolean {
  return (remote ?? local ?? vpn4 ?? vpn6 ?? keepalive ?? txId) !== undefined;
}

/** A transport whose socket the module keeps for a while. */
function heldOf(transport: BackendTransport | undefined): HeldUdpTransport | undefined {
  return transport instanceof HeldUdpTransport ? transport : undefined;
}

function newPeerOf(request: AddPeerRequest, socket: UdpTransport | TcpTransport): NewPeer {
  const local = request.local ?? boundSource(socket, request.remote);
  return settingsOf(request.id, request, local, socket, socket.fd) as NewPeer;
}
