/**
 * p2p mode: socket and peer are one, made by `openTransport` and ended by whatever ends either. The driver has no events
 * for it: reads that fail are what tells.
 */
import type {
  AddPeerRequest,
  BackendStats,
  NativeDeleteReason,
  OpenTransportRequest,
  PeerFields,
} from "../core/backend.ts";
import { unsupported } from "../core/errors.ts";
import { isConnectionLost, isExpiry } from "./ovpn-errors.ts";
import { hasPeerStats, statsOf, timesOf, WindowsInterface } from "./ovpn-interface.ts";

/** See {@link WindowsInterface}. */
export class P2pInterface extends WindowsInterface {
  readonly mode = "p2p";

  /** The peer is there since `openTransport`: it gets its id. */
  async addPeer(request: AddPeerRequest): Promise<void> {
    const { id, routes = [] } = request;
    try {
      if (routes.length > 0) this.adapter.setPeerRoutes(id, routes);
    } catch (error) {
      this.forgetRoutes(id);
      throw error;
    }
    this.peerIds.add(id);
  }

  async setPeer(id: number, { keepalive, routes }: PeerFields): Promise<void> {
    if (keepalive !== undefined) await this.exchange.ioctl("SET_PEER", timesOf(keepalive));
    if (routes) this.adapter.setPeerRoutes(id, routes);
  }

  removePeer(): Promise<void> {
    return this.#end("userspace", undefined);
  }

  async swapKeys(): Promise<void> {
    await this.exchange.ioctl("SWAP_KEYS", undefined);
  }

  /** There is one peer: the counters are its, whatever id the driver has for it. */
  async stats(): Promise<BackendStats[]> {
    const [id] = this.peerIds;
    if (id === undefined) return [];
    if (!hasPeerStats(this.version)) return [statsOf(id, await this.exchange.ioctl("GET_STATS", undefined))];
    const [counters] = await this.exchange.ioctl("GET_PEER_STATS", { peer: -1 });
    return counters ? [statsOf(id, counters)] : [];
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
  protected disconnect(): Promise<void> {
    return this.withoutReads(() => this.exchange.ioctl("DEL_PEER", undefined));
  }

  protected onReadEvent(error: unknown): void {
    if (isExpiry(error)) this.#ended("expired", undefined);
    else if (isConnectionLost(error)) this.#ended("transport-disconnect", error as Error);
    else this.#ended("transport-error", error as Error);
  }

  /** Reads may all have been taken by packets when the connection was lost: then the next write tells it. */
  protected override onWriteFailure(error: unknown): void {
    if (isConnectionLost(error)) this.#ended("transport-disconnect", error as Error);
  }

  #ended(reason: NativeDeleteReason, error: Error | undefined): void {
    this.#end(reason, error).catch(() => {});
  }

  /** The driver keeps an expired peer and its socket; here the one ends with the other. */
  async #end(reason: NativeDeleteReason, error: Error | undefined): Promise<void> {
    const { transport } = this;
    if (transport === undefined) return;
    try {
      await this.disconnect();
    } finally {
      for (const peer of [...this.peerIds]) {
        this.peerIds.delete(peer);
        this.forgetRoutes(peer);
        this.tell({ type: "peer-deleted", peer, reason });
      }
      transport.end(error);
    }
  }
}
