/**
 * One interface of `if_ovpn`.
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
  Outcome,
  PeerFields,
} from "../core/backend.ts";
import { DcoError, invalid, unsupported } from "../core/errors.ts";
import type { InterfaceMode, KeySlot } from "../core/model.ts";
import { AF_INET, anyAddress, SOCK_DGRAM } from "../sockets/socket-address.ts";
import { Configuration } from "./configure.ts";
import { OvpnEvents, PARKING_PEER, statsOf } from "./events.ts";
import { isErrno, OvpnExchange } from "./exchange.ts";
import { IFF_RUNNING, IFF_UP } from "./ioctl.ts";
import { KeyIds } from "./key-slots.ts";
import { indexOf, isLinkUp, type LinkInfo, readLinkFlags, removeLink, setUp } from "./links.ts";
import {
  delKey,
  newKey,
  newPeer,
  onlyPeer,
  type PeerStatsReply,
  readPeerStats,
  type SetCommand,
  setPeer,
} from "./messages.ts";
import type { NvList } from "./nvlist/list.ts";
import { describeRefusal } from "./ovpn-errors.ts";
import { PeerWatch } from "./peer-watch.ts";
import type { LinkMessage } from "./route-message.ts";
import type { Stack, Stacks, VnetSockets } from "./stack.ts";
import { type FreebsdUdpTransport, openUdpTransport, type TransportHost } from "./udp-transport.ts";

/** What an interface is made of. */
export interface OvpnInterfaceParts {
  readonly stacks: Stacks;
  /** Acquired for this interface, which releases it. */
  readonly stack: Stack;
  readonly link: LinkInfo;
  readonly mode: InterfaceMode;
  readonly created: boolean;
}

/** What the kernel does not tell of a peer. */
interface KnownPeer {
  readonly transport: FreebsdUdpTransport;
  readonly routes: readonly IpPrefix[];
  readonly vpn4: Uint8Array | undefined;
  readonly vpn6: Uint8Array | undefined;
}

/** See {@link BackendInterface}. */
export class OvpnInterface implements BackendInterface {
  readonly name: string;
  readonly index: number;
  readonly mode: InterfaceMode;
  readonly created: boolean;
  readonly #stacks: Stacks;
  readonly #stack: Stack;
  readonly #exchange: OvpnExchange;
  readonly #configuration: Configuration;
  /** The peers that this process added. */
  readonly #peers = new Map<number, KnownPeer>();
  /** All peers that core knows and that have not ended. */
  readonly #living = new Set<number>();
  /** Ids of peers that were found to be gone: their event, if it comes after all, may be taken for another's. */
  readonly #missed = new Set<number>();
  readonly #keyIds = new KeyIds();
  #watch: PeerWatch | undefined;
  #sink: BackendEventSink = () => {};
  #events: OvpnEvents | undefined;
  #stopLinks = () => {};
  #wasUp: boolean;
  #isGone = false;
  #closing: Promise<void> | undefined;

  constructor({ stacks, stack, link, mode, created }: OvpnInterfaceParts) {
    this.name = link.name;
    this.index = link.index;
    this.mode = mode;
    this.created = created;
    this.#stacks = stacks;
    this.#stack = stack;
    this.#exchange = new OvpnExchange(stack, link.name);
    this.#configuration = new Configuration(stack, link);
    this.#wasUp = (link.flags & IFF_UP) !== 0;
  }

  async start(sink: BackendEventSink): Promise<void> {
    this.#here(() => this.#startVpn());
    this.#sink = sink;
    this.#events = new OvpnEvents(this.#exchange, (event) => this.#tell(event));
    const there = () => {
      const ids = new Set(this.#list().map(({ id }) => id));
      this.#drain();
      return ids;
    };
    this.#watch = new PeerWatch(there, this.#living, (id) => this.#vanished(id));
    this.#stopLinks = this.#stack.onLinks((message) => this.#onLink(message));
  }

  async configure(request: ConfigureRequest): Promise<void> {
    try {
      this.#here(() => this.#configuration.apply(request));
    } finally {
      // What follows the call finds it told already.
      if (request.up !== undefined) this.#onLink(undefined);
    }
  }

  async isLinkUp(): Promise<boolean> {
    return this.#here(() => isLinkUp(readLinkFlags(this.#stack, this.name)));
  }

  async openTransport(request: OpenTransportRequest): Promise<BackendTransport> {
    const { ffi, posix } = this.#stack.system;
    const vnet = request.extras["vnet"] as VnetSockets | undefined;
    const stack = vnet === undefined ? this.#stack : this.#stacks.acquire(vnet);
    try {
      const host: TransportHost = {
        sockets: stack,
        woken: () => this.#drain(),
        releaseSocket: () => this.#releaseSocket(),
      };
      return openUdpTransport(ffi, posix, host, request);
    } finally {
      if (vnet !== undefined) this.#stacks.release(stack);
    }
  }

  listen(): Promise<BackendListener> {
    throw unsupported("listeners", "this driver does not listen for connections");
  }

  async addPeer(request: AddPeerRequest, transport: BackendTransport): Promise<void> {
    // So that the end of an earlier peer with this id cannot be read after it.
    this.#drain();
    this.#addPeer(request, transport as FreebsdUdpTransport);
    const { id, routes = [] } = request;
    if (routes.length === 0) return;
    try {
      this.#configuration.setPeerRoutes(id, routes, request);
    } catch (error) {
      await this.removePeer(id);
      this.peerEnded(id);
      throw error;
    }
  }

  addPeersNow(
    items: readonly { readonly request: AddPeerRequest; readonly transport: BackendTransport }[],
  ): readonly Outcome[] {
    this.#drain();
    return items.map(({ request, transport }) =>
      outcomeOf(() => this.#addPeer(request, transport as FreebsdUdpTransport)),
    );
  }

  async setPeer(id: number, { keepalive, routes }: PeerFields): Promise<void> {
    // `off` does not get here, because the kernel cannot disarm (disarmKeepalive); nor do other fields.
    if (keepalive !== undefined && keepalive !== "off") this.#set("SET_PEER", setPeer(id, keepalive));
    const known = this.#peers.get(id);
    if (known === undefined || routes === undefined) return;
    this.#peers.set(id, { ...known, routes });
    this.#configuration.setPeerRoutes(id, routes, known);
  }

  async removePeer(id: number): Promise<void> {
    this.#set("DEL_PEER", onlyPeer(id));
    // Its event holds the final counters, and is queued by now.
    this.#drain();
  }

  peerEnded(id: number): void {
    const known = this.#peers.get(id);
    this.#peers.delete(id);
    this.#living.delete(id);
    this.#keyIds.ended(id);
    if (this.#closing || known === undefined || known.routes.length === 0) return;
    this.#attempt(`routes of peer ${id} cannot be removed`, () =>
      this.#configuration.setPeerRoutes(id, [], known),
    );
  }

  /** There is no query of one peer: the list says whether it is there, and no more. */
  async peer(id: number): Promise<BackendPeer> {
    this.#drain();
    if (this.#list().some((peer) => peer.id === id)) return knownOnlyById({ id });
    this.#vanished(id);
    throw new DcoError("not-found", `the kernel has no peer ${id}`, { effect: "none" });
  }

  async peers(): Promise<BackendPeer[]> {
    const all = await this.#listAsync();
    for (const { id } of all) this.#living.add(id);
    return all.map(knownOnlyById);
  }

  async stats(): Promise<BackendStats[]> {
    return (await this.#listAsync()).map((peer) => statsOf(peer.id, peer));
  }

  async installKey(peer: number, key: KeyRequest): Promise<void> {
    this.#installKey(peer, key);
  }

  installKeysNow(items: readonly { readonly id: number; readonly key: KeyRequest }[]): readonly Outcome[] {
    return items.map(({ id, key }) => outcomeOf(() => this.#installKey(id, key)));
  }

  #installKey(peer: number, key: KeyRequest): void {
    const list = newKey({
      peer,
      slot: key.slot,
      keyId: key.id,
      cipher: key.cipher,
      encrypt: { key: key.encryptKey, nonceTail: key.encryptNonceTail },
      decrypt: { key: key.decryptKey, nonceTail: key.decryptNonceTail },
    });
    this.#set("NEW_KEY", list);
    this.#keyIds.installed(peer, key.slot, key.id);
  }

  async swapKeys(peer: number): Promise<void> {
    this.#swapKeys(peer);
  }

  swapKeysNow(items: readonly { readonly id: number }[]): readonly Outcome[] {
    return items.map(({ id }) => outcomeOf(() => this.#swapKeys(id)));
  }

  #swapKeys(peer: number): void {
    this.#set("SWAP_KEYS", onlyPeer(peer));
    this.#keyIds.swapped(peer);
  }

  async deleteKey(peer: number, slot: KeySlot): Promise<void> {
    const how = this.#keyIds.emptying(peer, slot);
    if ("install" in how) this.#set("NEW_KEY", newKey(how.install));
    else for (const each of how.remove) this.#set("DEL_KEY", delKey(peer, each));
    this.#keyIds.emptied(peer, slot);
  }

  /** The kernel tells no keys, but whether there is the peer. */
  async keys(peer: number): Promise<undefined> {
    await this.peer(peer);
  }

  close(deleteInterface: boolean): Promise<void> {
    this.#closing ??= this.#close(deleteInterface);
    return this.#closing;
  }

  async #close(deleteInterface: boolean): Promise<void> {
    this.#events?.stop();
    this.#watch?.stop();
    this.#stopLinks();
    this.#configuration.close();
    try {
      // Another may have the name by now.
      if (deleteInterface && !this.#isGone && indexOf(this.#stack, this.name) === this.index) {
        await removeLink(this.#stack, this.name);
      }
    } finally {
      this.#stacks.release(this.#stack);
    }
  }

  /** Without its routes. */
  #addPeer(request: AddPeerRequest, socket: FreebsdUdpTransport): void {
    const { id, remote, local, vpn4, vpn6, routes = [] } = request;
    const { fd, family } = socket;
    if (remote === undefined) throw invalid("remote", "needed for a UDP peer", { effect: "none" });
    const isFirst = !this.#hasPeerOn(socket);
    const source = local && { bytes: local.bytes, port: 0, scopeId: 0 };
    this.#set("NEW_PEER", newPeer({ id, fd, family, remote, local: source, vpn4, vpn6 }));
    // Older kernels succeed and add nothing when the interface has another socket.
    if (isFirst && !this.#list().some((peer) => peer.id === id)) {
      throw new DcoError("socket", "the peers of this interface are on another socket", { effect: "none" });
    }
    this.#peers.set(id, { transport: socket, routes, vpn4, vpn6 });
    this.#living.add(id);
  }

  #hasPeerOn(socket: FreebsdUdpTransport): boolean {
    for (const { transport } of this.#peers.values()) if (transport === socket) return true;
    return false;
  }

  /**
   * Nothing flows before START_VPN, and nothing takes it back: so it is done once and for all, and from then on the
   * interface is up or down as the system has it. START_VPN raises it as well, which is put back.
   */
  #startVpn(): void {
    const flags = readLinkFlags(this.#stack, this.name);
    if ((flags & IFF_RUNNING) !== 0) return;
    this.#set("START_VPN");
    if ((flags & IFF_UP) === 0) setUp(this.#stack, this.name, false);
  }

  /**
   * Gives the kernel a socket that nobody needs, by a peer that is removed at once, so that it lets go of the one that
   * it has. Peers that are there are on that one, and keep it.
   */
  #releaseSocket(): void {
    if (this.#closing || this.#isGone) return;
    const { posix } = this.#stack.system;
    const fd = this.#stack.socket(AF_INET, SOCK_DGRAM, 0);
    try {
      posix.bind(fd, anyAddress(4));
      const remote = { bytes: Uint8Array.of(127, 0, 0, 1), port: 9, scopeId: 0 };
      const none = { local: undefined, vpn4: undefined, vpn6: undefined };
      this.#exchange.set("NEW_PEER", newPeer({ id: PARKING_PEER, fd, family: 4, remote, ...none }));
      this.#exchange.set("DEL_PEER", onlyPeer(PARKING_PEER));
      this.#drain();
    } catch (error) {
      if (!isErrno(error, "EBUSY", "ENXIO")) throw error;
    } finally {
      posix.close(fd);
    }
  }

  #drain(): void {
    this.#events?.drain();
  }

  #tell(event: BackendEvent): void {
    if (event.type !== "peer-deleted") {
      this.#sink(event);
      return;
    }
    this.#living.delete(event.peer);
    this.#sink(this.#missed.delete(event.peer) ? { ...event, doubt: true } : event);
  }

  /** A peer is gone, and its event was read by somebody else: or it would have come by now. */
  #vanished(id: number): void {
    if (!this.#living.delete(id)) return;
    this.#missed.add(id);
    this.#sink({ type: "peer-deleted", peer: id, reason: "userspace" });
  }

  #list(): PeerStatsReply[] {
    return this.#here(() => withoutParking(this.#exchange.get("GET_PEER_STATS")));
  }

  /** Off the event loop: with many peers the kernel takes its time. */
  async #listAsync(): Promise<PeerStatsReply[]> {
    try {
      return withoutParking(await this.#exchange.getAsync("GET_PEER_STATS"));
    } catch (error) {
      throw describeRefusal(error, "", this.name);
    }
  }

  #set(command: SetCommand, list?: NvList): void {
    try {
      this.#exchange.set(command, list);
    } catch (error) {
      throw describeRefusal(error, command, this.name);
    }
  }

  /** What fails because the interface is gone says so. */
  #here<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw describeRefusal(error, "", this.name);
    }
  }

  #onLink(message: LinkMessage | undefined): void {
    if (this.#isGone) return;
    if (message !== undefined && message.index !== this.index && message.name !== this.name) return;
    this.#attempt("the link cannot be asked", () => {
      // The kernel gives an index to the next interface at once, and that may have the name as well.
      const departed = message?.what === "departed" && message.name === this.name;
      if (departed || indexOf(this.#stack, this.name) !== this.index) {
        this.#isGone = true;
        this.#events?.stop();
        this.#watch?.stop();
        this.#sink({ type: "interface-removed" });
        return;
      }
      const flags = readLinkFlags(this.#stack, this.name);
      const isUp = (flags & IFF_UP) !== 0;
      if (isUp && !this.#wasUp) {
        this.#attempt("routes cannot be added again", () => this.#configuration.restoreRoutes());
      }
      this.#wasUp = isUp;
      this.#sink({ type: "link", up: isLinkUp(flags) });
    });
  }

  /** What an event asks for. Nobody waits for it, and where events are read nothing may be thrown. */
  #attempt(problem: string, body: () => void): void {
    try {
      body();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#sink({ type: "unknown", native: 0, detail: `${problem}: ${reason}` });
    }
  }
}

/** What became of one of many requests. */
function outcomeOf(request: () => void): Outcome {
  try {
    request();
    return undefined;
  } catch (error) {
    if (DcoError.is(error)) return error;
    throw error;
  }
}

function withoutParking(list: NvList): PeerStatsReply[] {
  return readPeerStats(list).filter(({ id }) => id !== PARKING_PEER);
}

function knownOnlyById({ id }: { readonly id: number }): BackendPeer {
  const unknown = { remote: undefined, local: undefined, vpn4: undefined, vpn6: undefined };
  return { id, ...unknown, keepalive: undefined, txId: undefined };
}
