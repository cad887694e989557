/**
 * One interface of the in-tree module `ovpn`.
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
  OpenTransportRequest,
  Outcome,
  PeerFields,
} from "../core/backend.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { DcoError, invalid, withEffect } from "../core/errors.ts";
import type { InterfaceMode, KeyInfo, KeySlot } from "../core/model.ts";
import { Pace } from "../core/pace.ts";
import { Configuration } from "./configure.ts";
import type { Contexts, NamespaceContext, System } from "./context.ts";
import { FloatWatch } from "./float-watch.ts";
import { type FamilyFormat, ovpnFormat } from "./formats.ts";
import { LANES } from "./lanes.ts";
import { findLink, isLinkUp, linkMode, removeLink } from "./links.ts";
import { type NamespaceInput, openSocketNamespace } from "./namespace.ts";
import { decodeLink, type LinkInfo } from "./netlink/link.ts";
import { parseDatagram } from "./netlink/message.ts";
import { RTM_DELLINK, RTM_NEWLINK } from "./netlink/rtnl.ts";
import type { Build, Decode, NetlinkSocket } from "./netlink-socket.ts";
import { decodeCounters } from "./ovpn/counters-reply.ts";
import { decodePeer } from "./ovpn/peer-reply.ts";
import { decodeKey } from "./ovpn/replies.ts";
import {
  type KeyDirection,
  keyDel,
  keyGet,
  keyNew,
  keySwap,
  type NewKey,
  type NewPeer,
  type OvpnTarget,
  peerDel,
  peerDump,
  peerGet,
  peerNew,
  peerSet,
} from "./ovpn/requests.ts";
import { describeRefusal } from "./ovpn-errors.ts";
import { PeerNotifications } from "./ovpn-events.ts";
import { peerOf, statsOf, withScope } from "./ovpn-peers.ts";
import { boundSource, settingsOf } from "./peer-settings.ts";
import { refuseRouting, withRouting } from "./socket-options.ts";
import { openTcpTransport, TcpListener } from "./tcp-connect.ts";
import { TcpTransport } from "./tcp-transport.ts";
import { openUdpTransport, type UdpTransport } from "./udp-transport.ts";

/** What an interface is made of. */
export interface OvpnInterfaceParts {
  readonly system: System;
  readonly contexts: Contexts;
  /** Acquired for this interface, which releases it. */
  readonly context: NamespaceContext;
  readonly family: number;
  readonly link: LinkInfo;
  readonly created: boolean;
  readonly capabilities: Capabilities;
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

/** Most peers have none: they share this. */
const NO_ROUTES: readonly IpPrefix[] = [];

/** An item of `addPeersNow`. */
interface AddItem {
  readonly request: AddPeerRequest;
  readonly transport: BackendTransport;
}

/** An item of `installKeysNow`. */
interface KeyItem {
  readonly id: number;
  readonly key: KeyRequest;
}

/** See {@link BackendInterface}. */
export class OvpnInterface implements BackendInterface {
  readonly name: string;
  readonly index: number;
  readonly mode: InterfaceMode;
  readonly created: boolean;
  readonly #parts: OvpnInterfaceParts;
  readonly #context: NamespaceContext;
  readonly #target: OvpnTarget;
  readonly #format: FamilyFormat;
  readonly #configuration: Configuration;
  /** The peers that this process added. */
  readonly #peers = new Map<number, KnownPeer>();
  /** The ids of peers that somebody else added. */
  readonly #strangers = new Set<number>();
  /** Counts what makes the kernel's list of peers another. */
  #changes = 0;
  /** Namespaces whose events are followed, with what ends that. */
  readonly #followed = new Map<NamespaceContext, () => void>();
  #sink: BackendEventSink | undefined;
  #notifications: PeerNotifications | undefined;
  #floatWatch: FloatWatch | undefined;
  #stopLinkEvents: (() => void) | undefined;
  #wasUp: boolean;
  /** Whether the kernel has taken a request: one that lacks the right then has lost it. */
  #right: "unknown" | "had" | "lost" = "unknown";
  #closing: Promise<void> | undefined;

  constructor(parts: OvpnInterfaceParts) {
    const { link, context, family } = parts;
    this.#parts = parts;
    this.#context = context;
    this.name = link.name;
    this.index = link.index;
    this.mode = linkMode(link) ?? "p2p";
    this.created = parts.created;
    this.#target = { family, ifindex: link.index };
    this.#format = ovpnFormat(family);
    this.#configuration = new Configuration(context, link.index);
    this.#wasUp = link.up;
  }

  async start(sink: BackendEventSink): Promise<void> {
    this.#sink = sink;
    this.#notifications = new PeerNotifications(
      this.#target.family,
      this.index,
      sink,
      this.#parts.system.tracer,
    );
    if (this.#parts.capabilities.floatEvent === "poll") {
      this.#floatWatch = new FloatWatch(
        () => this.peers(),
        (peer, remote) => sink({ type: "peer-floated", peer, remote }),
      );
    }
    this.#stopLinkEvents = this.#context.onLinkEvents({
      onDatagram: (datagram) =>
        this.#attempt("a link notification cannot be read", () => this.#onLinkEvent(datagram)),
      onOverflow: () =>
        this.#attempt("link notifications were lost, and asking failed", () => {
          // It may have been down meanwhile.
          this.#wasUp = false;
          this.#onLink(findLink(this.#context, { index: this.index }));
        }),
    });
    this.#follow(this.#context);
  }

  async configure(request: ConfigureRequest): Promise<void> {
    try {
      this.#configuration.apply(request);
    } catch (error) {
      this.#noteRefusal(error);
      throw error;
    }
  }

  async isLinkUp(): Promise<boolean> {
    const link = findLink(this.#context, { index: this.index });
    if (link === undefined) throw this.#gone();
    return isLinkUp(link);
  }

  async openTransport(
    request: OpenTransportRequest,
    signal: AbortSignal | undefined,
  ): Promise<BackendTransport> {
    const { contexts } = this.#parts;
    const namespace = request.extras["namespace"] as NamespaceInput | undefined;
    const named = namespace === undefined ? undefined : contexts.acquire(namespace);
    let found: NamespaceContext | undefined;
    try {
      if (request.adopt) found = this.#contextOf(request.adopt.fd);
      if (found && named && found !== named) {
        throw invalid("namespace", "the adopted socket lives in another network namespace", {
          effect: "none",
        });
      }
      if (named && request.adoptNode) {
        throw invalid("namespace", "an adopted net.Socket lives where it lives", { effect: "none" });
      }
      return await this.#openTransport(found ?? named ?? this.#context, request, signal);
    } finally {
      if (found) await contexts.release(found);
      if (named) await contexts.release(named);
    }
  }

  /** The namespace of a socket of the caller's, where the kernel will tell of its peers. */
  #contextOf(fd: number): NamespaceContext | undefined {
    const { contexts, system } = this.#parts;
    const namespace = openSocketNamespace(system.posix, fd);
    if (namespace === undefined) return undefined;
    try {
      return contexts.acquire(namespace);
    } finally {
      system.posix.close(namespace);
    }
  }

  async #openTransport(
    context: NamespaceContext,
    request: OpenTransportRequest,
    signal: AbortSignal | undefined,
  ): Promise<BackendTransport> {
    const { ffi } = this.#parts.system;
    if (request.adopt || request.adoptNode) refuseRouting(request.extras);
    const posix = withRouting(this.#parts.system.posix, request.extras);
    // Before there is a peer whose events could be missed.
    this.#follow(context);
    if (request.protocol === "udp") return openUdpTransport(ffi, posix, context, request);
    const transport = await openTcpTransport(ffi, posix, context, request, signal);
    if (request.adoptNode) await this.#followSocket(transport);
    return transport;
  }

  /** Follows the namespace of a socket that was found when it was opened; still before there is a peer. */
  async #followSocket(transport: TcpTransport): Promise<void> {
    try {
      const context = this.#contextOf(transport.fd);
      if (context === undefined) return;
      this.#follow(context);
      await this.#parts.contexts.release(context);
    } catch (error) {
      await transport.close();
      throw error;
    }
  }

  async listen(request: ListenRequest): Promise<BackendListener> {
    const { contexts, system } = this.#parts;
    const namespace = request.extras["namespace"] as NamespaceInput | undefined;
    const context = namespace === undefined ? this.#context : contexts.acquire(namespace);
    try {
      this.#follow(context);
      return new TcpListener(system.ffi, withRouting(system.posix, request.extras), context, request);
    } finally {
      if (namespace !== undefined) await contexts.release(context);
    }
  }

  async addPeer(request: AddPeerRequest, transport: BackendTransport): Promise<void> {
    const socket = transport as UdpTransport | TcpTransport;
    const peer = newPeerOf(request, socket);
    const attach = () => this.#do((to, seq) => peerNew(to, this.#target, seq, peer));
    if (socket instanceof TcpTransport) await socket.attach(attach);
    else attach();
    this.#added(request, socket);
    const { id, routes = [] } = request;
    if (routes.length === 0) return;
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
    const outcomes = this.#doMany(items.length, (to, seq, n) => {
      const { request, transport } = items[n] as AddItem;
      peerNew(to, this.#target, seq, newPeerOf(request, transport as UdpTransport));
    });
    for (const [n, { request, transport }] of items.entries()) {
      if (outcomes[n] === undefined) this.#added(request, transport as UdpTransport);
    }
    return outcomes;
  }

  #added(request: AddPeerRequest, socket: UdpTransport | TcpTransport): void {
    const { id, remote, routes = NO_ROUTES } = request;
    const local = request.local ?? boundSource(socket, remote);
    const scopeId = remote?.scopeId || socket.local?.scopeId;
    this.#peers.set(id, { transport: socket, routes, local, scopeId });
    this.#changes++;
    this.#watchRemote(id, remote);
  }

  async setPeer(id: number, request: PeerFields): Promise<void> {
    const known = this.#peers.get(id);
    const { remote } = request;
    // The kernel takes both together, and forgets the local address that is left out.
    const before = known?.local?.family === remote?.family ? known?.local : undefined;
    const local = request.local ?? before;
    const settings = settingsOf(id, request, local, known?.transport);
    const { routes, ...others } = request;
    const hasOthers = Object.values(others).some((value) => value !== undefined);
    if (hasOthers) {
      this.#do((to, seq) => peerSet(to, this.#target, seq, settings));
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
    const [peer] = this.#ask((to, seq) => peerGet(to, this.#target, seq, id), decodePeer);
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
      await this.#context.genlLanes.request(this.#format, (to, seq) => peerDel(to, this.#target, seq, id));
    } catch (error) {
      throw this.#refused(error);
    } finally {
      this.#changes++;
    }
  }

  peerEnded(id: number): void {
    this.#changes++;
    if (this.#closing) return;
    this.#floatWatch?.delete(id);
    this.#strangers.delete(id);
    const known = this.#peers.get(id);
    this.#peers.delete(id);
    if (known === undefined || known.routes.length === 0) return;
    this.#attempt(`routes of peer ${id} cannot be removed`, () =>
      this.#configuration.setPeerRoutes(id, [], { vpn4: undefined, vpn6: undefined }),
    );
  }

  async peer(id: number): Promise<BackendPeer> {
    const [peer] = this.#ask(
      (to, seq) => peerGet(to, this.#target, seq, id),
      (message) => this.#peerOf(message),
    );
    if (peer === undefined) throw new DcoError("protocol", `the kernel did not describe peer ${id}`);
    return peer;
  }

  async peers(): Promise<BackendPeer[]> {
    const peers = await this.#dump((message) => this.#peerOf(message));
    this.#floatWatch?.found(peers);
    for (const { id } of peers) if (!this.#peers.has(id)) this.#strangers.add(id);
    return peers;
  }

  #peerOf(message: Parameters<typeof decodePeer>[0]): BackendPeer {
    const peer = peerOf(decodePeer(message));
    return withScope(peer, this.#peers.get(peer.id)?.scopeId);
  }

  stats(): Promise<BackendStats[]> {
    return this.#dump((message) => statsOf(decodeCounters(message)));
  }

  /** All peers, each once; those that the kernel passed over are asked for: see dumps.ts. */
  async #dump<T extends { readonly id: number }>(decode: Decode<T>): Promise<T[]> {
    const build: Build = (to, seq) => peerDump(to, this.#target, seq);
    const changes = this.#changes;
    const expected = this.#peers.size + this.#strangers.size;
    const items = await this.#context.dumps.run(this.#format, build, decode).catch((error: unknown) => {
      throw describeRefusal(error, this.name);
    });
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
        const [item] = this.#ask((to, seq) => peerGet(to, this.#target, seq, id), decode);
        if (item) found.set(id, item);
      } catch (error) {
        if (!DcoError.is(error) || error.code !== "not-found") throw error;
      }
      if (pace.over) await pace.turn();
    }
    return [...found.values()];
  }

  async installKey(peer: number, key: KeyRequest): Promise<void> {
    const request = newKeyOf(peer, key);
    try {
      if (this.#parts.warmCiphers.has(request.cipher))
        this.#do((to, seq) => keyNew(to, this.#target, seq, request));
      else await this.#installFirstKey(request);
    } catch (error) {
      throw this.#refused(error);
    }
  }

  installKeysNow(items: readonly KeyItem[]): readonly Outcome[] {
    const { warmCiphers } = this.#parts;
    if (items.some(({ key }) => !warmCiphers.has(kernelCipher(key)))) return items.map(() => "later");
    return this.#doMany(items.length, (to, seq, n) => {
      const { id, key } = items[n] as KeyItem;
      keyNew(to, this.#target, seq, newKeyOf(id, key));
    });
  }

  /** With the first key of a cipher the kernel loads its modules, which can take seconds. */
  async #installFirstKey(request: NewKey): Promise<void> {
    // The request may wait for a lane: by then a caller who gave up may have zeroed his arrays.
    const copy = { ...request, encrypt: copyOf(request.encrypt), decrypt: copyOf(request.decrypt) };
    try {
      await this.#context.genlLanes.request(this.#format, (to, seq) => keyNew(to, this.#target, seq, copy));
      this.#parts.warmCiphers.add(request.cipher);
    } finally {
      for (const { key, nonceTail } of [copy.encrypt, copy.decrypt]) {
        key.fill(0);
        nonceTail.fill(0);
      }
    }
  }

  async swapKeys(peer: number): Promise<void> {
    this.#do((to, seq) => keySwap(to, this.#target, seq, peer));
  }

  swapKeysNow(items: readonly { readonly id: number }[]): readonly Outcome[] {
    return this.#doMany(items.length, (to, seq, n) =>
      keySwap(to, this.#target, seq, (items[n] as { readonly id: number }).id),
    );
  }

  async deleteKey(peer: number, slot: KeySlot): Promise<void> {
    this.#do((to, seq) => keyDel(to, this.#target, seq, peer, slot));
  }

  async keys(peer: number): Promise<KeyInfo[]> {
    const keys: KeyInfo[] = [];
    for (const slot of ["primary", "secondary"] as const) {
      try {
        const [key] = this.#ask((to, seq) => keyGet(to, this.#target, seq, peer, slot), decodeKey);
        if (key) keys.push({ slot, id: key.keyId, cipher: key.cipher === "none" ? undefined : key.cipher });
      } catch (error) {
        // ENOENT for an empty slot as for an unknown peer: the text tells, and where it does not, peer-get does.
        if (!DcoError.is(error) || error.code !== "not-found") throw error;
        if (!error.message.includes("slot")) await this.peer(peer);
      }
    }
    return keys;
  }

  close(deleteInterface: boolean): Promise<void> {
    this.#closing ??= this.#close(deleteInterface);
    return this.#closing;
  }

  async #close(deleteInterface: boolean): Promise<void> {
    this.#floatWatch?.stop();
    this.#stopLinkEvents?.();
    this.#configuration.close();
    try {
      if (deleteInterface) {
        await this.#removePeersFirst();
        await removeLink(this.#context, this.index);
      }
    } finally {
      for (const stop of this.#followed.values()) stop();
      for (const context of this.#followed.keys()) await this.#parts.contexts.release(context);
      this.#followed.clear();
      await this.#parts.contexts.release(this.#context);
    }
  }

  /**
   * With the link the kernel removes its peers one after the other, 12 to 16 ms each, and holds the lock that every
   * change of the system's network takes. What fails here is left to that.
   */
  async #removePeersFirst(): Promise<void> {
    const ids = [...this.#peers.keys(), ...this.#strangers];
    const remove = async () => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop()) await this.removePeer(id).catch(() => {});
    };
    await Promise.all(Array.from({ length: Math.min(LANES, ids.length) }, remove));
  }

  /** Follows the events of a namespace in which a transport lives. */
  #follow(context: NamespaceContext): void {
    if (this.#followed.has(context)) return;
    const stop = context.onPeerEvents({
      onDatagram: (datagram) => this.#notifications?.take(datagram),
      onOverflow: (lost) => this.#sink?.({ type: "overflow", lost }),
    });
    this.#followed.set(context, stop);
    context.users++;
  }

  #watchRemote(peer: number, remote: IpEndpoint | undefined): void {
    if (remote)
      this.#floatWatch?.set(peer, { address: remote.text, port: remote.port, scopeId: remote.scopeId });
  }

  #onLinkEvent(datagram: Uint8Array): void {
    for (const message of parseDatagram(datagram)) {
      if (message.type !== RTM_NEWLINK && message.type !== RTM_DELLINK) continue;
      const link = decodeLink(message);
      if (link.index === this.index) this.#onLink(message.type === RTM_NEWLINK ? link : undefined);
      else if (link.up && message.type === RTM_NEWLINK) {
        this.#attempt("bypass routes cannot be added again", () =>
          this.#configuration.restoreBypass(link.index),
        );
      }
    }
  }

  #onLink(link: LinkInfo | undefined): void {
    if (link === undefined) {
      this.#sink?.({ type: "interface-removed" });
      return;
    }
    if (link.up && !this.#wasUp) {
      this.#attempt("addresses or routes cannot be added again", () => this.#configuration.restore());
    }
    this.#wasUp = link.up;
    this.#sink?.({ type: "link", up: isLinkUp(link) });
  }

  /** What an event asks for. Nobody waits for it, and where events are read nothing may be thrown. */
  #attempt(problem: string, body: () => void): void {
    try {
      body();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#sink?.({ type: "unknown", native: 0, detail: `${problem}: ${reason}` });
    }
  }

  #do(build: Parameters<NamespaceContext["genl"]["request"]>[1]): void {
    this.#ask(build, () => undefined);
  }

  #ask<T>(
    build: Parameters<NamespaceContext["genl"]["request"]>[1],
    decode: (message: Parameters<typeof decodePeer>[0]) => T | undefined,
  ): T[] {
    try {
      const answer = this.#context.genl.request(this.#format, build, decode);
      if (this.#right === "unknown") this.#right = "had";
      return answer;
    } catch (error) {
      throw this.#refused(error);
    }
  }

  /** A refusal in the contract's words; the first for want of a right that was there is an event as well. */
  #refused(error: unknown): unknown {
    this.#noteRefusal(error);
    return describeRefusal(error, this.name);
  }

  #noteRefusal(error: unknown): void {
    if (this.#right !== "had" || !DcoError.is(error) || error.code !== "permission") return;
    this.#right = "lost";
    this.#sink?.({ type: "permission-lost", message: error.message });
  }

  #doMany(count: number, build: Parameters<NetlinkSocket["requestMany"]>[2]): readonly Outcome[] {
    const outcomes = this.#context.genl.requestMany(this.#format, count, build);
    return outcomes.map((error) => error && (this.#refused(error) as DcoError));
  }

  #gone(): DcoError {
    return new DcoError("not-found", `interface ${this.name} is gone`, { effect: "none" });
  }
}

function newPeerOf(request: AddPeerRequest, socket: UdpTransport | TcpTransport): NewPeer {
  const local = request.local ?? boundSource(socket, request.remote);
  return settingsOf(request.id, request, local, socket, socket.fd) as NewPeer;
}

function kernelCipher({ cipher }: KeyRequest): NewKey["cipher"] {
  return cipher === "chacha20-poly1305" ? cipher : "aes-gcm";
}

function newKeyOf(peer: number, key: KeyRequest): NewKey {
  return {
    peer,
    slot: key.slot,
    keyId: key.id,
    cipher: kernelCipher(key),
    encrypt: { key: key.encryptKey, nonceTail: key.encryptNonceTail },
    decrypt: { key: key.decryptKey, nonceTail: key.decryptNonceTail },
  };
}

function copyOf({ key, nonceTail }: KeyDirection): KeyDirection {
  return { key: Uint8Array.from(key), nonceTail: Uint8Array.from(nonceTail) };
}
