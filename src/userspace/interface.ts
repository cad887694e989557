/**
 * One interface of the userspace backend: data plane, sockets, and a stream of inner packets.
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
import type { InterfaceInfo, InterfaceMode, KeyInfo, KeySlot } from "../core/model.ts";
import type { Clock } from "./clock.ts";
import { DataPlane } from "./data/data-plane.ts";
import type { Peer } from "./data/peer.ts";
import type { UserspaceExtras } from "./driver.ts";
import { PacketStream } from "./packet-stream.ts";
import { ownerMarker, type Registered, type Registry } from "./registry.ts";
import { listenTcp, openTcpTransport, type TcpTransport } from "./tcp-transport.ts";
import { type MakeSocket, openUdpTransport, UdpListener, type UdpTransport } from "./udp-transport.ts";

/** What the driver decides. */
export interface Settings {
  readonly clock: Clock;
  /** Packet id that each key begins with: 1, but in tests of the last ones. */
  readonly firstPacketId: number;
  /** Makes UDP sockets: `node:dgram`'s, but in tests where a process cannot make them where they are to live. */
  readonly makeSocket: MakeSocket;
}

/** What an interface is made of. */
export interface InterfaceParts {
  readonly name: string;
  readonly mode: InterfaceMode;
  readonly capabilities: Capabilities;
  readonly packetQueue: number;
  readonly settings: Settings;
  readonly registry: Registry;
}

/** Size of the receive buffer that a listener's one UDP socket asks for. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;

/** See {@link BackendInterface}. */
export class UserspaceInterface implements BackendInterface, Registered {
  readonly name: string;
  /** The operating system has no such interface. */
  readonly index = 0;
  readonly mode: InterfaceMode;
  readonly created = true;
  readonly extras: UserspaceExtras;
  readonly #plane: DataPlane;
  readonly #packets: PacketStream;
  readonly #clock: Clock;
  readonly #makeSocket: MakeSocket;
  readonly #registry: Registry;
  #sink: BackendEventSink = () => {};
  #mtu: number;
  #up = false;
  #wasLinkUp = false;
  #closed = false;

  constructor({ name, mode, capabilities, packetQueue, settings, registry }: InterfaceParts) {
    this.name = name;
    this.mode = mode;
    this.#mtu = capabilities.mtu.default;
    this.#clock = settings.clock;
    this.#makeSocket = settings.makeSocket;
    this.#registry = registry;
    const packets = new PacketStream(packetQueue, (packet) => this.#transmit(packet));
    const plane = new DataPlane({
      mode,
      ...settings,
      deliver: (packet) => this.#up && packets.deliver(packet),
      tell: (event) => {
        this.#sink(event);
        if (event.type === "peer-deleted") this.#tellLink();
      },
    });
    this.#packets = packets;
    this.#plane = plane;
    this.extras = {
      packets,
      get drops() {
        return { ...plane.drops };
      },
    };
  }

  get info(): InterfaceInfo {
    const { name, index, mode } = this;
    const state = { mtu: this.#mtu, up: this.#up, linkUp: this.#linkUp };
    return { name, index, mode, ...state, owner: ownerMarker() };
  }

  async start(sink: BackendEventSink): Promise<void> {
    this.#sink = sink;
  }

  /** Core has refused what a stream has not. */
  async configure({ mtu = this.#mtu, up = this.#up }: ConfigureRequest): Promise<void> {
    this.#mtu = mtu;
    this.#up = up;
    this.#tellLink();
  }

  async isLinkUp(): Promise<boolean> {
    return this.#linkUp;
  }

  openTransport(request: OpenTransportRequest, signal: AbortSignal | undefined): Promise<BackendTransport> {
    if (request.protocol === "tcp") return openTcpTransport(this.#plane, request, signal);
    return openUdpTransport(this.#plane, request, this.#makeSocket);
  }

  async listen(request: ListenRequest): Promise<BackendListener> {
    if (request.protocol === "tcp") return listenTcp(this.#plane, request);
    const socket = { ...request, remote: undefined, receiveBuffer: RECEIVE_BUFFER };
    return new UdpListener(await openUdpTransport(this.#plane, socket, this.#makeSocket));
  }

  async addPeer(request: AddPeerRequest, transport: BackendTransport): Promise<void> {
    this.#plane.addPeer(request, transport as UdpTransport | TcpTransport);
    this.#tellLink();
  }

  async setPeer(id: number, request: PeerFields): Promise<void> {
    await this.#find(id);
    this.#plane.setPeer(id, request);
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
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#registry.remove(this);
    for (const peer of this.#plane.all()) this.#plane.end(peer, "teardown");
    this.#sink = () => {};
    this.#packets.finish();
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

  #transmit(packet: Uint8Array): void {
    const { drops } = this.#plane;
    if (!this.#up || this.#closed) drops.noPeer++;
    else if (packet.length > this.#mtu) drops.invalid++;
    else this.#plane.transmit(packet);
  }

  /** As Linux' `ovpn` has it: in p2p mode the link follows the peer. */
  get #linkUp(): boolean {
    return this.#up && (this.mode === "multipeer" || this.#plane.size > 0);
  }

  #tellLink(): void {
    const up = this.#linkUp;
    if (up === this.#wasLinkUp || this.#closed) return;
    this.#wasLinkUp = up;
    this.#sink({ type: "link", up });
  }
}
