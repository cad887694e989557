/**
 * One interface of the userspace backend: data plane, sockets, and what is inside.
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
  KeyRequest,
  ListenRequest,
  OpenTransportRequest,
  PeerFields,
} from "../core/backend.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { withEffect } from "../core/errors.ts";
import type { InterfaceInfo, InterfaceMode, KeyInfo, KeySlot } from "../core/model.ts";
import type { Clock } from "./clock.ts";
import { DataPlane } from "./data/data-plane.ts";
import type { Peer } from "./data/peer.ts";
import type { TunExtras, UserspaceExtras } from "./driver.ts";
import type { Inside } from "./inside.ts";
import type { Registered, Registry } from "./registry.ts";
import { listenTcp, openTcpTransport, type TcpTransport } from "./tcp-transport.ts";
import { type DatagramSockets, openUdpTransport, UdpListener, type UdpTransport } from "./udp-transport.ts";

/** What the driver decides. */
export interface Settings {
  readonly clock: Clock;
  /** Packet id that each key begins with: 1, but in tests of the last ones. */
  readonly firstPacketId: number;
  readonly sockets: DatagramSockets;
}

/** What an interface is made of. */
export interface InterfaceParts {
  readonly mode: InterfaceMode;
  readonly inside: Inside;
  /** Where others may have the same name; undefined for streams, and where the process is. */
  readonly place?: string | undefined;
  readonly capabilities: Capabilities;
  readonly settings: Settings;
  readonly registry: Registry;
}

/** Size of the receive buffer that a listener's one UDP socket asks for. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;

/** No field of a peer. */
const NOTHING = {
  remote: undefined,
  local: undefined,
  vpn4: undefined,
  vpn6: undefined,
  routes: undefined,
  keepalive: undefined,
  txId: undefined,
} as const;

/** See {@link BackendInterface}. */
export class UserspaceInterface implements BackendInterface, Registered {
  readonly name: string;
  readonly index: number;
  readonly mode: InterfaceMode;
  readonly created = true;
  readonly place: string | undefined;
  readonly capabilities: Capabilities;
  readonly extras: UserspaceExtras | TunExtras;
  readonly #inside: Inside;
  readonly #plane: DataPlane;
  readonly #clock: Clock;
  readonly #sockets: DatagramSockets;
  readonly #registry: Registry;
  #sink: BackendEventSink = () => {};
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor({ mode, inside, place, capabilities, settings, registry }: InterfaceParts) {
    this.name = inside.name;
    this.index = inside.index;
    this.mode = mode;
    this.place = place;
    this.capabilities = capabilities;
    this.#inside = inside;
    this.#clock = settings.clock;
    this.#sockets = settings.sockets;
    this.#registry = registry;
    const plane = new DataPlane({
      mode,
      ...settings,
      deliver: (packet) => inside.deliver(packet),
      tell: (event) => {
        this.#sink(event);
        if (event.type === "peer-deleted" && !this.#closed) inside.hasPeers(plane.size > 0);
      },
    });
    this.#plane = plane;
    this.extras = {
      ...(inside.packets && { packets: inside.packets }),
      get drops() {
        return { ...plane.drops };
      },
    };
  }

  get info(): InterfaceInfo | undefined {
    const { name, index, mode } = this;
    const state = this.#inside.info();
    return state && { name, index, mode, ...state };
  }

  async start(sink: BackendEventSink): Promise<void> {
    this.#sink = sink;
    this.#inside.start(this.#plane, (event) => this.#sink(event));
  }

  async configure(request: ConfigureRequest): Promise<void> {
    this.#inside.configure(request);
    // A stream has no routes.
    const { routes } = request;
    if (routes === undefined) return;
    this.#plane.setGateways(
      routes.flatMap(({ destination, via }) => (via ? [{ destination, via: via.bytes }] : [])),
    );
  }

  async isLinkUp(): Promise<boolean> {
    return this.#inside.isLinkUp();
  }

  openTransport(request: OpenTransportRequest, signal: AbortSignal | undefined): Promise<BackendTransport> {
    if (request.protocol === "tcp") return openTcpTransport(this.#plane, request, signal);
    return openUdpTransport(this.#plane, request, this.#sockets);
  }

  async listen(request: ListenRequest): Promise<BackendListener> {
    if (request.protocol === "tcp") return listenTcp(this.#plane, request);
    const socket = { ...request, remote: undefined, adopt: undefined, receiveBuffer: RECEIVE_BUFFER };
    return new UdpListener(await openUdpTransport(this.#plane, socket, this.#sockets));
  }

  async addPeer(request: AddPeerRequest, transport: BackendTransport): Promise<void> {
    const { id, routes = [] } = request;
    this.#plane.addPeer(request, transport as UdpTransport | TcpTransport);
    try {
      if (routes.length > 0) this.#inside.setPeerRoutes(id, routes, request);
    } catch (error) {
      this.#plane.undoAdd(id);
      throw error;
    }
    this.#inside.hasPeers(true);
  }

  async setPeer(id: number, request: PeerFields): Promise<void> {
    const peer = await this.#find(id);
    const { routes: before } = peer;
    this.#plane.setPeer(id, request);
    const { routes, ...others } = request;
    if (!routes && (before.length === 0 || (!others.vpn4 && !others.vpn6))) return;
    try {
      this.#inside.setPeerRoutes(id, peer.routes, peer);
    } catch (error) {
      this.#plane.setPeer(id, { ...NOTHING, routes: before });
      const hasOthers = Object.values(others).some((value) => value !== undefined);
      throw hasOthers ? withEffect(error, "unknown") : error;
    }
  }

  peerEnded(id: number): void {
    this.#inside.setPeerRoutes(id, [], NOTHING);
  }

  async removePeer(id: number): Promise<void> {
    this.#plane.end(await this.#find(id), "userspace");
  }

  async peer(id: number): Promise<BackendPeer> {
    return (await this.#find(id)).info;
  }

  async peers(): Promise<BackendPeer[]> {
    return (await this.#all()).map(({ info }) => info);
  }

  async stats(): Promise<BackendStats[]> {
    return (await this.#all()).map(({ stats }) => stats);
  }

  async installKey(peer: number, key: KeyRequest): Promise<void> {
    await this.#find(peer);
    this.#plane.installKey(peer, key);
  }

  async swapKeys(peer: number): Promise<void> {
    (await this.#find(peer)).swapKeys();
  }

  async deleteKey(peer: number, slot: KeySlot): Promise<void> {
    (await this.#find(peer)).setKey(slot, undefined);
  }

  async keys(peer: number): Promise<KeyInfo[]> {
    return (await this.#find(peer)).keys;
  }

  /** It is of no use to anybody else, so it goes whatever is asked. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    this.#registry.remove(this);
    for (const peer of this.#plane.all()) this.#plane.end(peer, "teardown");
    this.#sink = () => {};
    await this.#inside.close();
  }

  /** Somebody else deletes it. */
  async remove(): Promise<void> {
    const tell = this.#sink;
    await this.close();
    tell({ type: "interface-removed" });
  }

  /**
   * A peer that is there. One whose keepalive has run out, while this process was busy with something else, is
   * given up first: no timer has rung yet, but packets of it may have come.
   */
  async #find(id: number): Promise<Peer> {
    if (this.#plane.find(id).keepalive.overdue) await this.#giveUpOverdue();
    return this.#plane.find(id);
  }

  async #all(): Promise<Peer[]> {
    if (this.#plane.all().some(({ keepalive }) => keepalive.overdue)) await this.#giveUpOverdue();
    return this.#plane.all();
  }

  async #giveUpOverdue(): Promise<void> {
    await this.#clock.caughtUp();
    for (const peer of this.#plane.all()) if (peer.keepalive.overdue) this.#plane.end(peer, "expired");
  }
}
