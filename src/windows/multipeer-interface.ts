/**
 * Multi-peer mode: one UDP socket for the life of the handle, and events of their own.
 */
import type {
  AddPeerRequest,
  BackendEventSink,
  BackendPeer,
  BackendStats,
  BackendTransport,
  IpPrefix,
  OpenTransportRequest,
  PeerFields,
} from "../core/backend.ts";
import { DcoError, invalid } from "../core/errors.ts";
import type { Endpoint } from "../core/model.ts";
import { ENUMS } from "./ioctl.ts";
import { type Notification, reasonOf } from "./messages.ts";
import { ERROR_OPERATION_ABORTED, isWin32 } from "./ovpn-errors.ts";
import { hasPeerStats, knownOnlyById, statsOf, timesOf, WindowsInterface } from "./ovpn-interface.ts";
import { familyOf } from "./transport.ts";

const { DEL_PEER, FLOAT_PEER } = ENUMS.OVPN_NOTIFY_CMD;

/** Codes of MP_NEW_PEER that the driver answers before it has done anything. */
const REFUSED_AS_A_WHOLE = [1, 22, 122, 5010];

/** See {@link WindowsInterface}. */
export class MultipeerInterface extends WindowsInterface {
  readonly mode = "multipeer";
  /** What a peer's routes are now, for the difference. */
  readonly #routes = new Map<number, readonly IpPrefix[]>();
  /** Counts the handles that there were: what is told of an earlier one is over. */
  #handle = 0;

  override async start(sink: BackendEventSink): Promise<void> {
    await super.start(sink);
    void this.#notifications();
  }

  async addPeer(request: AddPeerRequest, transport: BackendTransport): Promise<void> {
    const { id: peer, remote, vpn4, vpn6, routes = [] } = request;
    if (remote === undefined) throw invalid("remote", "needed for a UDP peer", { effect: "none" });
    const { family } = transport;
    try {
      await this.exchange.ioctl("MP_NEW_PEER", { peer, family, remote, vpn4, vpn6 });
    } catch (error) {
      // Before the fix of CVE-2026-82325 a peer whose addresses clash stays in a part of the driver's tables.
      if (!isWin32(error, ...REFUSED_AS_A_WHOLE)) await this.#undoAdding(peer);
      throw error;
    }
    this.peerIds.add(peer);
    try {
      await this.#setRoutes(peer, routes);
    } catch (error) {
      await this.removePeer(peer).catch(() => {});
      throw error;
    }
  }

  async setPeer(peer: number, { keepalive, routes }: PeerFields): Promise<void> {
    if (keepalive !== undefined) await this.exchange.ioctl("MP_SET_PEER", { peer, ...timesOf(keepalive) });
    if (routes) await this.#setRoutes(peer, routes);
  }

  /** Its event comes by NOTIFY_EVENT, with reason `userspace`. */
  async removePeer(peer: number): Promise<void> {
    try {
      await this.exchange.ioctl("MP_DEL_PEER", { peer });
      this.#forget(peer);
    } catch (error) {
      if (DcoError.is(error) && error.code === "not-found") this.#forget(peer);
      throw error;
    }
  }

  async swapKeys(peer: number): Promise<void> {
    await this.exchange.ioctl("MP_SWAP_KEYS", { peer });
  }

  /** The driver may have removed it, and its event not be read yet: versions that can tell are asked. */
  override async peer(id: number): Promise<BackendPeer> {
    if (!hasPeerStats(this.version)) return super.peer(id);
    await this.exchange.ioctl("GET_PEER_STATS", { peer: id });
    return knownOnlyById(id);
  }

  override async peers(): Promise<BackendPeer[]> {
    if (!hasPeerStats(this.version)) return super.peers();
    const all = await this.exchange.ioctl("GET_PEER_STATS", { peer: -1 });
    return all.map(({ peer }) => knownOnlyById(peer));
  }

  async stats(): Promise<BackendStats[]> {
    if (!hasPeerStats(this.version)) return [...this.peerIds].map((id) => statsOf(id, undefined));
    const all = await this.exchange.ioctl("GET_PEER_STATS", { peer: -1 });
    return all.map((counters) => statsOf(counters.peer, counters));
  }

  protected async connect(request: OpenTransportRequest, signal: AbortSignal | undefined): Promise<Endpoint> {
    const { local, remote, dualStack } = request;
    const listen = local ?? (remote && anyOf(familyOf(request)));
    if (listen === undefined) throw invalid("local", "is missing", { effect: "none" });
    return (await this.exchange.ioctl("MP_START_VPN", { listen, ipv6Only: !dualStack }, signal)).local;
  }

  /** For a transport that nobody got; one that was handed out goes with the interface (closeTransport). */
  protected async disconnect(): Promise<void> {
    this.#handle++;
    try {
      await this.withoutReads(() => this.exchange.reset());
      this.lowered();
      await this.exchange.ioctl("SET_MODE", { mode: this.mode });
    } catch (error) {
      // Without a handle there is nothing left of the interface.
      this.#lost(error);
      throw error;
    }
    void this.#notifications();
  }

  protected onReadEvent(error: unknown): void {
    this.#lost(error);
  }

  async #setRoutes(peer: number, routes: readonly IpPrefix[]): Promise<void> {
    const have = this.#routes.get(peer) ?? [];
    const isIn = (all: readonly IpPrefix[]) => {
      const texts = new Set(all.map(routeText));
      return (prefix: IpPrefix) => texts.has(routeText(prefix));
    };
    const [isOld, isNew] = [isIn(have), isIn(routes)];
    for (const prefix of have) {
      if (!isNew(prefix)) await this.exchange.ioctl("MP_DEL_IROUTE", { prefix });
    }
    this.#routes.set(peer, routes);
    for (const prefix of routes) {
      if (!isOld(prefix)) await this.exchange.ioctl("MP_ADD_IROUTE", { peer, prefix });
    }
    if (have.length > 0 || routes.length > 0) this.adapter.setPeerRoutes(peer, routes);
  }

  /** Its event, if there is one, is that of a peer that nobody knows. */
  async #undoAdding(peer: number): Promise<void> {
    await this.exchange.ioctl("MP_DEL_PEER", { peer }).catch(() => {});
  }

  /** The driver's routes to what is behind it went with it. */
  #forget(peer: number): void {
    if (!this.peerIds.delete(peer)) return;
    if (this.#routes.delete(peer)) this.forgetRoutes(peer);
  }

  /** One request is always pended; the driver queues events meanwhile. */
  async #notifications(): Promise<void> {
    const handle = this.#handle;
    const isOver = () => this.isOver || handle !== this.#handle;
    try {
      while (!isOver()) {
        const event = await this.exchange.ioctl("NOTIFY_EVENT", undefined);
        if (!isOver()) this.#tell(event);
      }
    } catch (error) {
      if (isOver()) return;
      this.#lost(error);
    }
  }

  /** Nothing can be heard of the driver any more. */
  #lost(error: unknown): void {
    if (DcoError.is(error) && !isWin32(error, ERROR_OPERATION_ABORTED)) {
      this.tell({ type: "unknown", native: error.native?.number ?? 0, detail: error.message });
    }
    this.gone();
  }

  #tell({ command, peer, reason, address }: Notification): void {
    if (command === DEL_PEER) {
      const why = reasonOf(reason);
      // Our own removals may be told after another peer with the same id was added.
      if (why !== "userspace") this.#forget(peer);
      this.tell({ type: "peer-deleted", peer, reason: why });
    } else if (command === FLOAT_PEER && address) {
      this.tell({ type: "peer-floated", peer, remote: address });
    } else {
      this.tell({ type: "unknown", native: command, detail: "an event of a newer driver" });
    }
  }
}

function anyOf(family: 4 | 6) {
  const [length, text] = family === 4 ? [4, "0.0.0.0"] : [16, "::"];
  return { family, bytes: new Uint8Array(length as number), text: text as string, port: 0, scopeId: 0 };
}

function routeText({ text, length }: IpPrefix): string {
  return `${text}/${length}`;
}
