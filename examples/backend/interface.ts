/**
 * One interface of the example backend: a stream of IP packets on this side, peers on the other.
 */
import { Duplex } from "node:stream";
import type {
  AddPeerRequest,
  BackendEventSink,
  BackendInterface,
  BackendListener,
  BackendPeer,
  BackendStats,
  BackendTransport,
  CreateInterfaceRequest,
  KeyRequest,
  NativeDeleteReason,
  OpenTransportRequest,
  PeerFields,
} from "../../src/backend/index.ts";
import { unsupported } from "../../src/backend/index.ts";
import {
  DcoError,
  type InterfaceInfo,
  type InterfaceMode,
  type KeyInfo,
  type KeySlot,
} from "../../src/index.ts";
import { isWhole, Key, peerIdOf } from "./key.ts";
import { Peer, PING } from "./peer.ts";
import { openUdpTransport, type UdpTransport } from "./transport.ts";

/** Where an inner packet has its addresses. */
const FAMILIES = {
  4: { source: 12, destination: 16, length: 4 },
  6: { source: 8, destination: 24, length: 16 },
} as const;
/** Packets that may wait for a reader. */
const QUEUE = 1024;

export class ExampleInterface implements BackendInterface {
  readonly name: string;
  /** The operating system has no such interface. */
  readonly index = 0;
  readonly mode: InterfaceMode;
  readonly created = true;
  readonly extras: { readonly packets: Duplex };
  readonly #peers = new Map<number, Peer>();
  readonly #onGone: (gone: ExampleInterface) => void;
  #sink: BackendEventSink = () => {};
  #mtu = 1400;
  #up = false;
  #wasLinkUp = false;
  #closed = false;

  constructor(name: string, { mode }: CreateInterfaceRequest, onGone: (gone: ExampleInterface) => void) {
    this.name = name;
    this.mode = mode;
    this.#onGone = onGone;
    const write = (packet: Uint8Array, _: unknown, done: () => void) => {
      this.#transmit(packet);
      done();
    };
    const packets = new Duplex({ objectMode: true, readableHighWaterMark: QUEUE, read() {}, write });
    this.extras = { packets };
  }

  get info(): InterfaceInfo {
    const { name, index, mode } = this;
    const owner = { pid: process.pid, startTime: String(Math.round(performance.timeOrigin)), alive: true };
    return { name, index, mode, mtu: this.#mtu, up: this.#up, linkUp: this.#linkUp, owner };
  }

  async start(sink: BackendEventSink): Promise<void> {
    this.#sink = sink;
  }

  async configure({ mtu = this.#mtu, up = this.#up }: { mtu: number | undefined; up: boolean | undefined }) {
    this.#mtu = mtu;
    this.#up = up;
    this.#tellLink();
  }

  async isLinkUp(): Promise<boolean> {
    return this.#linkUp;
  }

  openTransport(request: OpenTransportRequest): Promise<BackendTransport> {
    return openUdpTransport(request, (packet, transport) => this.#receive(packet, transport));
  }

  async listen(): Promise<BackendListener> {
    throw unsupported("listeners", "this backend does not listen");
  }

  async addPeer(request: AddPeerRequest, transport: BackendTransport): Promise<void> {
    const peer: Peer = new Peer(request, transport as UdpTransport, () => this.#end(peer, "expired"));
    for (const address of peer.addresses) {
      const owner = this.#owner(address);
      if (owner) throw new DcoError("exists", `peer ${owner.id} has this VPN address`, { effect: "none" });
    }
    this.#peers.set(peer.id, peer);
    this.#tellLink();
  }

  async setPeer(id: number, { keepalive }: PeerFields): Promise<void> {
    // The capabilities leave nothing else to be set.
    const peer = this.#find(id);
    if (keepalive) peer.keepalive = keepalive;
  }

  async removePeer(id: number): Promise<void> {
    this.#end(this.#find(id), "userspace");
  }

  async peer(id: number): Promise<BackendPeer> {
    return this.#find(id).info;
  }

  async peers(): Promise<BackendPeer[]> {
    return [...this.#peers.values()].map(({ info }) => info);
  }

  async stats(): Promise<BackendStats[]> {
    return [...this.#peers.values()].map(({ stats }) => stats);
  }

  async installKey(id: number, request: KeyRequest): Promise<void> {
    this.#find(id).setKey(request.slot, new Key(request));
  }

  async swapKeys(id: number): Promise<void> {
    const { slots } = this.#find(id);
    [slots.primary, slots.secondary] = [slots.secondary, slots.primary];
  }

  async deleteKey(id: number, slot: KeySlot): Promise<void> {
    this.#find(id).setKey(slot, undefined);
  }

  async keys(id: number): Promise<KeyInfo[]> {
    return this.#find(id).keys;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const peer of this.#peers.values()) this.#end(peer, "teardown");
    this.#sink = () => {};
    this.extras.packets.push(null);
    this.#onGone(this);
  }

  /** Somebody else deletes it. */
  async remove(): Promise<void> {
    const tell = this.#sink;
    await this.close();
    tell({ type: "interface-removed" });
  }

  #find(id: number): Peer {
    const peer = this.#peers.get(id);
    if (peer?.isOverdue) this.#end(peer, "expired");
    else if (peer) return peer;
    throw new DcoError("not-found", `there is no peer ${id}`, { effect: "none" });
  }

  // docs-begin end
  /** Every peer ends with one event, whoever ended it. */
  #end(peer: Peer, reason: NativeDeleteReason): void {
    if (this.#peers.get(peer.id) !== peer) return;
    this.#peers.delete(peer.id);
    peer.end();
    this.#sink({ type: "peer-deleted", peer: peer.id, reason });
    this.#tellLink();
  }
  // docs-end

  /** From the tunnel to the network. */
  #transmit(packet: Uint8Array): void {
    const family = familyOf(packet);
    if (!this.#up || this.#closed || family === undefined || packet.length > this.#mtu) return;
    const { destination, length } = FAMILIES[family];
    const to = packet.subarray(destination, destination + length);
    const peer = this.mode === "p2p" ? [...this.#peers.values()][0] : this.#owner(to);
    if (peer === undefined) return;
    peer.tunnel.txBytes += BigInt(packet.length);
    peer.tunnel.txPackets++;
    peer.send(packet);
  }

  // docs-begin receive
  /** From the network to the tunnel. A transport without peers hands everything up. */
  #receive(packet: Buffer, transport: UdpTransport): boolean {
    if (![...this.#peers.values()].some((peer) => peer.transport === transport)) return false;
    const peer = isWhole(packet) ? this.#peers.get(peerIdOf(packet)) : undefined;
    const payload = peer?.open(packet);
    if (peer && payload && !payload.equals(PING)) this.#deliver(peer, payload);
    return true;
  }
  // docs-end

  #deliver(peer: Peer, payload: Buffer): void {
    const family = familyOf(payload);
    const { packets } = this.extras;
    if (family === undefined || !this.#up || packets.destroyed || packets.readableLength >= QUEUE) return;
    const { source, length } = FAMILIES[family];
    // Who it says that it is from must be who it is from.
    if (this.mode === "multipeer" && this.#owner(payload.subarray(source, source + length)) !== peer) return;
    peer.tunnel.rxBytes += BigInt(payload.length);
    peer.tunnel.rxPackets++;
    packets.push(payload);
  }

  #owner(address: Uint8Array): Peer | undefined {
    return [...this.#peers.values()].find(({ addresses }) =>
      addresses.some((each) => Buffer.compare(each, address) === 0),
    );
  }

  get #linkUp(): boolean {
    return this.#up && (this.mode === "multipeer" || this.#peers.size > 0);
  }

  #tellLink(): void {
    const up = this.#linkUp;
    if (up === this.#wasLinkUp || this.#closed) return;
    this.#wasLinkUp = up;
    this.#sink({ type: "link", up });
  }
}

function familyOf(packet: Uint8Array): 4 | 6 | undefined {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= 20) return 4;
  return version === 6 && packet.length >= 40 ? 6 : undefined;
}
