/**
 * One peer of the data plane.
 */
import type {
  AddPeerRequest,
  BackendPeer,
  BackendStats,
  IpAddress,
  IpPrefix,
  PeerFields,
} from "../../core/backend.ts";
import { formatIp } from "../../core/ip.ts";
import type { KeyInfo, KeySlot } from "../../core/model.ts";
import { Traffic } from "./counters.ts";
import type { DataKey } from "./data-key.ts";
import type { DataSocket, Destination } from "./data-socket.ts";
import type { KeepaliveTimer } from "./keepalive.ts";
import { hostPrefix, type Prefix } from "./routes.ts";

/** Keys, addresses and counters of a peer. What is done with them is the data plane's. */
export class Peer {
  readonly id: number;
  readonly socket: DataSocket;
  readonly keepalive: KeepaliveTimer;
  readonly link = new Traffic();
  readonly tunnel = new Traffic();
  txId: number;
  /** Undefined over TCP. */
  remote: Destination | undefined;
  /** Where data packets to it come from, if that was said. */
  local: IpAddress | undefined;
  vpn4: Uint8Array | undefined;
  vpn6: Uint8Array | undefined;
  routes: readonly IpPrefix[];
  primary: DataKey | undefined;
  secondary: DataKey | undefined;

  constructor(
    request: AddPeerRequest,
    socket: DataSocket,
    remote: Destination | undefined,
    keepalive: (peer: Peer) => KeepaliveTimer,
  ) {
    this.id = request.id;
    this.socket = socket;
    this.remote = remote;
    this.local = request.local;
    this.txId = request.txId ?? request.id;
    this.vpn4 = request.vpn4;
    this.vpn6 = request.vpn6;
    this.routes = request.routes ?? [];
    this.keepalive = keepalive(this);
  }

  /** The key with this id, in either slot. */
  key(id: number): DataKey | undefined {
    if (this.primary?.id === id) return this.primary;
    return this.secondary?.id === id ? this.secondary : undefined;
  }

  /** Puts a key into a slot, or empties it; what was there is destroyed. */
  setKey(slot: KeySlot, key: DataKey | undefined): void {
    this[slot]?.destroy();
    this[slot] = key;
  }

  swapKeys(): void {
    [this.primary, this.secondary] = [this.secondary, this.primary];
  }

  /** The slot of a key; undefined if it is in none. */
  slotOf(key: DataKey): KeySlot | undefined {
    if (this.primary === key) return "primary";
    return this.secondary === key ? "secondary" : undefined;
  }

  get keys(): KeyInfo[] {
    return (["primary", "secondary"] as const).flatMap((slot) => {
      const key = this[slot];
      return key ? [{ slot, id: key.id, cipher: key.cipher }] : [];
    });
  }

  /** All that it is to be reached by, after a change of these fields. */
  prefixes(fields: Pick<PeerFields, "vpn4" | "vpn6" | "routes"> = NO_CHANGE): Prefix[] {
    const { vpn4 = this.vpn4, vpn6 = this.vpn6, routes = this.routes } = fields;
    const hosts = [vpn4, vpn6].flatMap((bytes) => (bytes ? [hostPrefix(bytes)] : []));
    return [...hosts, ...routes];
  }

  get info(): BackendPeer {
    return {
      id: this.id,
      remote: this.remote?.endpoint,
      local: this.local ? { address: this.local.text, port: this.socket.local.port } : this.socket.local,
      vpn4: this.vpn4 && formatIp(this.vpn4),
      vpn6: this.vpn6 && formatIp(this.vpn6),
      keepalive: this.keepalive.keepalive,
      txId: this.txId,
    };
  }

  get stats(): BackendStats {
    return { id: this.id, link: this.link.counters, tunnel: this.tunnel.counters };
  }

  /** Nothing is sent or received any more. */
  end(): void {
    this.keepalive.stop();
    this.setKey("primary", undefined);
    this.setKey("secondary", undefined);
  }
}

const NO_CHANGE = { vpn4: undefined, vpn6: undefined, routes: undefined };
