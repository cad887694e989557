/**
 * What a kernel's DCO module does, in this process: peers, keys, packets in both directions.
 *
 * Synchronous. Packets from the network and from the tunnel give a packet on the other side, or a counted drop;
 * never an exception.
 */
import type {
  AddPeerRequest,
  BackendEvent,
  KeyRequest,
  NativeDeleteReason,
  PeerFields,
} from "../../core/backend.ts";
import { DcoError } from "../../core/errors.ts";
import { isUnspecified } from "../../core/ip.ts";
import type { InterfaceMode } from "../../core/model.ts";
import type { Clock } from "../clock.ts";
import { type Drops, noDrops } from "./counters.ts";
import { DataKey } from "./data-key.ts";
import type { DataSocket } from "./data-socket.ts";
import { familyOf, IPV4, IPV6 } from "./inner.ts";
import { KeepaliveTimer } from "./keepalive.ts";
import {
  DATA_V2,
  HEADER_BYTES,
  isPing,
  keyIdOf,
  opcodeOf,
  PEER_ID_UNDEFINED,
  PING,
  peerIdOf,
} from "./packet.ts";
import { Peer } from "./peer.ts";
import { hostPrefix, type Prefix, prefixText, Routes } from "./routes.ts";

/** What the data plane is made of. */
export interface DataPlaneParts {
  readonly mode: InterfaceMode;
  readonly clock: Clock;
  /** Packet id that each key begins with. */
  readonly firstPacketId: number;
  /** Takes an inner packet; false if it was not taken. */
  readonly deliver: (packet: Buffer) => boolean;
  readonly tell: (event: BackendEvent) => void;
}

/** The peers of one interface. */
export class DataPlane {
  readonly drops: Drops = noDrops();
  readonly #parts: DataPlaneParts;
  readonly #peers = new Map<number, Peer>();
  readonly #routes = new Routes<Peer>();
  /** What the system routes into the tunnel by way of a peer: the peer's VPN address, by prefix. */
  #gateways: Routes<Prefix> | undefined;
  /** In p2p mode: the one that gets every packet. */
  #only: Peer | undefined;

  constructor(parts: DataPlaneParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#peers.size;
  }

  all(): Peer[] {
    return [...this.#peers.values()];
  }

  /** Which prefixes are reached through which VPN addresses, besides what peers have themselves. */
  setGateways(routes: readonly { readonly destination: Prefix; readonly via: Uint8Array }[]): void {
    this.#gateways = routes.length > 0 ? new Routes() : undefined;
    for (const { destination, via } of routes) this.#gateways?.add(destination, hostPrefix(via));
  }

  /** Errors: `not-found`. */
  find(id: number): Peer {
    const peer = this.#peers.get(id);
    if (peer) return peer;
    throw new DcoError("not-found", `there is no peer ${id}`, { effect: "none" });
  }

  /** Errors: `exists` (id, second peer in p2p mode, VPN address or prefix of another peer). */
  addPeer(request: AddPeerRequest, socket: DataSocket): void {
    const { clock, mode } = this.#parts;
    const taken = mode === "p2p" ? this.#only?.id : this.#peers.get(request.id)?.id;
    if (taken !== undefined) throw new DcoError("exists", `there is peer ${taken}`, { effect: "none" });
    if (socket.connected && socket.peers.size > 0)
      throw new DcoError("socket", "the connection has a peer already", { effect: "none" });
    const remote = request.remote && socket.destination(request.remote, request.local);
    const peer = new Peer(
      request,
      socket,
      remote,
      (self) =>
        new KeepaliveTimer(clock, {
          ping: () => this.#send(self, PING),
          expire: () => this.end(self, "expired"),
        }),
    );
    this.#claim(peer, peer.prefixes());
    this.#peers.set(peer.id, peer);
    socket.peers.add(peer);
    if (mode === "p2p") this.#only = peer;
  }

  setPeer(id: number, fields: PeerFields): void {
    const peer = this.find(id);
    const { remote, vpn4, vpn6, routes, keepalive, txId } = fields;
    // It stays when only the remote changes, unless that is of the other family.
    const before = peer.local?.family === remote?.family ? peer.local : undefined;
    const local = fields.local ?? before;
    // What can fail comes before anything is changed.
    const to = remote && peer.socket.destination(remote, local);
    if (vpn4 || vpn6 || routes) {
      this.#claim(peer, peer.prefixes(fields), peer.prefixes());
      peer.vpn4 = after(vpn4, peer.vpn4);
      peer.vpn6 = after(vpn6, peer.vpn6);
      peer.routes = routes ?? peer.routes;
    }
    if (to) {
      peer.remote = to;
      peer.local = local;
    }
    if (txId !== undefined) peer.txId = txId;
    if (keepalive) peer.keepalive.set(keepalive);
  }

  /** Takes back an addition that nobody has heard of. */
  undoAdd(id: number): void {
    const peer = this.#peers.get(id);
    if (peer) this.#forget(peer);
  }

  /** Ends a peer and tells it, with its last counters. */
  end(peer: Peer, reason: NativeDeleteReason): void {
    if (this.#peers.get(peer.id) !== peer) return;
    this.#forget(peer);
    this.#parts.tell({ type: "peer-deleted", peer: peer.id, reason, finalStats: peer.stats });
  }

  #forget(peer: Peer): void {
    this.#peers.delete(peer.id);
    if (this.#only === peer) this.#only = undefined;
    for (const prefix of peer.prefixes()) this.#routes.remove(prefix, peer);
    peer.socket.peers.delete(peer);
    peer.end();
  }

  installKey(id: number, key: KeyRequest): void {
    this.find(id).setKey(key.slot, new DataKey(key, this.#parts.firstPacketId));
  }

  /**
   * A data packet of a UDP socket. Of whichever socket: the peer is found by its id, as kernels do it.
   *
   * @param address the sender's, in the socket's words
   */
  receive(packet: Buffer, socket: DataSocket, address: string, port: number): void {
    if (packet.length < HEADER_BYTES || opcodeOf(packet) !== DATA_V2) {
      this.drops.malformed++;
      return;
    }
    const id = peerIdOf(packet);
    const peer = id === PEER_ID_UNDEFINED ? this.#at(socket, address, port) : this.#peers.get(id);
    if (peer === undefined) {
      this.drops.unknownPeer++;
      return;
    }
    const payload = this.#open(peer, packet);
    if (payload === undefined) return;
    if (
      peer.remote &&
      (peer.remote.port !== port || peer.remote.address !== address) &&
      socket === peer.socket
    )
      this.#float(peer, address, port);
    this.#deliver(peer, payload);
  }

  /** A data packet of a peer's own connection: that says whose it is. */
  receiveFrom(socket: DataSocket, packet: Buffer): void {
    const [peer] = socket.peers;
    if (peer === undefined || opcodeOf(packet) !== DATA_V2) {
      this.drops.unknownPeer++;
      return;
    }
    const payload = this.#open(peer, packet);
    if (payload !== undefined) this.#deliver(peer, payload);
  }

  /** A packet from the interface into the tunnel. */
  transmit(packet: Uint8Array): void {
    const family = familyOf(packet);
    if (family === 0) {
      this.drops.invalid++;
      return;
    }
    const peer = this.#only ?? this.#behind(packet, family, (family === 4 ? IPV4 : IPV6).destination);
    if (peer === undefined) {
      this.drops.noPeer++;
      return;
    }
    // Counted before it is encrypted, as Linux does.
    peer.tunnel.sent(packet.length);
    this.#send(peer, packet);
  }

  #send(peer: Peer, payload: Uint8Array): void {
    const key = peer.primary;
    if (key === undefined) {
      this.drops.noKey++;
      return;
    }
    const { room } = peer.socket;
    const packet = key.seal(payload, peer.txId, room);
    if (packet === undefined) {
      peer.setKey("primary", undefined);
      this.drops.noKey++;
      this.#parts.tell({ type: "key-exhausted", peer: peer.id, keyId: key.id });
      return;
    }
    if (!peer.socket.sendData(packet, peer.remote)) {
      this.drops.notSent++;
      return;
    }
    peer.link.sent(packet.length - room);
    peer.keepalive.sent();
  }

  #open(peer: Peer, packet: Buffer): Buffer | undefined {
    peer.link.received(packet.length);
    const key = peer.key(keyIdOf(packet));
    if (key === undefined) {
      this.drops.noKey++;
      return undefined;
    }
    const now = this.#parts.clock.now();
    const payload = key.open(packet, now);
    if (typeof payload === "string") {
      this.drops[payload]++;
      return undefined;
    }
    peer.keepalive.received(now);
    return payload;
  }

  #deliver(peer: Peer, payload: Buffer): void {
    const family = familyOf(payload);
    if (family === 0) {
      if (!isPing(payload)) this.drops.malformed++;
      return;
    }
    const { mode, deliver } = this.#parts;
    if (mode === "multipeer" && this.#behind(payload, family, (family === 4 ? IPV4 : IPV6).source) !== peer) {
      this.drops.source++;
      return;
    }
    if (deliver(payload)) peer.tunnel.received(payload.length);
    else this.drops.notRead++;
  }

  /** The peer behind which an address of a packet is. */
  #behind(packet: Uint8Array, family: 4 | 6, at: number): Peer | undefined {
    const via = this.#gateways?.lookup(packet, family, at);
    if (via === undefined) return this.#routes.lookup(packet, family, at);
    const length = this.#gateways?.matched(packet, family, at) as number;
    const isNearer = this.#routes.matched(packet, family, at) > length;
    return isNearer ? this.#routes.lookup(packet, family, at) : this.#routes.owner(via);
  }

  /** An authenticated packet, and no replay, came from elsewhere: from now on the peer is there. */
  #float(peer: Peer, address: string, port: number): void {
    peer.remote = peer.socket.sender(address, port, peer.local);
    this.#parts.tell({ type: "peer-floated", peer: peer.id, remote: peer.remote.endpoint });
  }

  /** The peer that is at this address. */
  #at(socket: DataSocket, address: string, port: number): Peer | undefined {
    for (const peer of this.#peers.values()) {
      if (peer.socket === socket && peer.remote?.port === port && peer.remote.address === address)
        return peer;
    }
    return undefined;
  }

  /** Gives a peer these prefixes instead of those that it had. Errors: `exists`, with nothing changed. */
  #claim(peer: Peer, wanted: readonly Prefix[], before: readonly Prefix[] = []): void {
    for (const prefix of wanted) {
      const owner = this.#routes.owner(prefix);
      if (owner === undefined || owner === peer) continue;
      const what = prefix.length === prefix.bytes.length * 8 ? "VPN address" : "prefix";
      throw new DcoError("exists", `${what} ${prefixText(prefix)} is peer ${owner.id}'s`, {
        effect: "none",
      });
    }
    for (const prefix of before) this.#routes.remove(prefix, peer);
    for (const prefix of wanted) this.#routes.add(prefix, peer);
  }
}

/** An address after a change: none is no change, the unspecified one takes away what is there. */
function after(given: Uint8Array | undefined, before: Uint8Array | undefined): Uint8Array | undefined {
  if (given === undefined) return before;
  return isUnspecified(given) ? undefined : given;
}
