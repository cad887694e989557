/**
 * The peers of an interface: which lives, in which generation, and which end of which life an event means.
 */
import type { AddPeerRequest, BackendPeer, PeerFields } from "./backend.ts";
import { formatIp, isUnspecified } from "./ip.ts";
import { KeySlots } from "./key-slots.ts";
import type { Endpoint, Keepalive, PeerDeletedReason, PeerInfo, VpnAddresses } from "./model.ts";
import type { CoreTransport } from "./transport.ts";
import { toEndpoint } from "./validate.ts";

/** One life of a peer id. */
export interface PeerRecord {
  readonly id: number;
  readonly generation: number;
  readonly transport: CoreTransport | undefined;
  remote: Endpoint | undefined;
  local: Endpoint | undefined;
  vpn: VpnAddresses;
  /** What the caller wants; armed with the first key. */
  keepalive: Keepalive | "off";
  keepaliveArmed: boolean;
  txId: number;
  readonly slots: KeySlots;
  /** The slots may hold more than is known: the peer was found, or an installation failed halfway. */
  slotsUnknown: boolean;
  /** When we last changed it, or it told of a change itself; see `PeerTable.clock`. */
  changed: number;
  /** Why it is about to end, while a request that ends it is under way. */
  ending: PeerDeletedReason | undefined;
  /** Why it has ended; its `peer-deleted` has been given. */
  ended: PeerDeletedReason | undefined;
}

/** All lives that matter. */
export class PeerTable {
  readonly #current = new Map<number, PeerRecord>();
  /** Lives whose native end has not been seen, the oldest first: the kernel tells ends in their order. */
  readonly #lives = new Map<number, PeerRecord | PeerRecord[]>();
  #generation = 0;
  /** Counts changes: what was asked for before one is older than what is known. */
  clock = 0;

  /** Lives that come have a greater one. */
  get lastGeneration(): number {
    return this.#generation;
  }

  get size(): number {
    return this.#current.size;
  }

  get(id: number): PeerRecord | undefined {
    return this.#current.get(id);
  }

  all(): PeerRecord[] {
    return [...this.#current.values()];
  }

  /** A new life, from a request that is about to be made. Not in the table until `begin`. */
  fromRequest(request: AddPeerRequest, transport: CoreTransport, keepalive: Keepalive | "off"): PeerRecord {
    return {
      id: request.id,
      generation: ++this.#generation,
      transport,
      remote: request.remote && toEndpoint(request.remote),
      local: request.local && { address: request.local.text, port: transport.local?.port ?? 0 },
      vpn: vpnOf(request, {}),
      keepalive,
      keepaliveArmed: false,
      txId: request.txId ?? request.id,
      slots: new KeySlots(),
      slotsUnknown: false,
      changed: ++this.clock,
      ending: undefined,
      ended: undefined,
    };
  }

  /** A new life, of a peer that was found in the kernel. What its slots hold is not known yet. */
  fromKernel(peer: BackendPeer): PeerRecord {
    return {
      id: peer.id,
      generation: ++this.#generation,
      transport: undefined,
      remote: peer.remote,
      local: peer.local,
      vpn: vpnOfKernel(peer),
      keepalive: peer.keepalive ?? "off",
      keepaliveArmed: true,
      txId: peer.txId ?? peer.id,
      slots: new KeySlots(),
      slotsUnknown: true,
      changed: ++this.clock,
      ending: undefined,
      ended: undefined,
    };
  }

  /** The kernel has the peer. */
  begin(record: PeerRecord): void {
    this.#current.set(record.id, record);
    record.transport?.peers.add(record);
    if (this.#lives.has(record.id)) this.#keepLives(record.id, [...this.#livesOf(record.id), record]);
    else this.#lives.set(record.id, record);
  }

  /** The peer's `peer-deleted` is given. Returns false if it was before. */
  end(record: PeerRecord, reason: PeerDeletedReason): boolean {
    if (record.ended !== undefined) return false;
    record.ended = reason;
    record.ending = undefined;
    record.slots.clear();
    record.transport?.peers.delete(record);
    if (this.#current.get(record.id) === record) this.#current.delete(record.id);
    return true;
  }

  /** Which life a native end of this id is about: the oldest that has not had its native end. */
  oldestLife(id: number): PeerRecord | undefined {
    return this.#livesOf(id)[0];
  }

  /** The native end of a life was seen, or will never come. */
  forgetLife(record: PeerRecord): void {
    const lives = this.#livesOf(record.id);
    this.#keepLives(
      record.id,
      lives.filter((life) => life !== record),
    );
  }

  /** After lost events: native ends of earlier lives may or may not come. Returns the ids concerned. */
  forgetEndedLives(): number[] {
    const ids: number[] = [];
    for (const id of [...this.#lives.keys()]) {
      const lives = this.#livesOf(id);
      const kept = lives.filter((record) => record.ended === undefined);
      if (kept.length < lives.length) ids.push(id);
      this.#keepLives(id, kept);
    }
    return ids;
  }

  #livesOf(id: number): readonly PeerRecord[] {
    const lives = this.#lives.get(id) ?? [];
    return Array.isArray(lives) ? lives : [lives];
  }

  /** Nearly always it is one, which needs no array. */
  #keepLives(id: number, lives: PeerRecord[]): void {
    const [one] = lives;
    if (one === undefined) this.#lives.delete(id);
    else this.#lives.set(id, lives.length === 1 ? one : lives);
  }
}

/** The record as the caller sees it. */
export function peerInfo(record: PeerRecord): PeerInfo {
  return {
    id: record.id,
    generation: record.generation,
    remote: record.remote,
    local: record.local,
    vpn: record.vpn,
    keepalive: record.keepalive,
    txId: record.txId,
    keys: record.slots.all(),
  };
}

/**
 * Brings the record to what the kernel says.
 *
 * @param asked the clock when it was asked
 */
export function refresh(record: PeerRecord, peer: BackendPeer, asked: number): void {
  if (record.changed > asked) return;
  record.remote = peer.remote ?? record.remote;
  record.local = peer.local ?? record.local;
  record.vpn = vpnOfKernel(peer);
  if (record.keepaliveArmed && peer.keepalive !== undefined) record.keepalive = peer.keepalive;
}

/** The VPN addresses after a change. */
export function vpnOf(fields: PeerFields, before: VpnAddresses): VpnAddresses {
  const after = (bytes: Uint8Array | undefined, old: string | undefined) => {
    if (bytes === undefined) return old;
    return isUnspecified(bytes) ? undefined : formatIp(bytes);
  };
  return vpnAddresses(after(fields.vpn4, before.ipv4), after(fields.vpn6, before.ipv6));
}

function vpnAddresses(ipv4: string | undefined, ipv6: string | undefined): VpnAddresses {
  if (ipv4 !== undefined) return ipv6 === undefined ? { ipv4 } : { ipv4, ipv6 };
  return ipv6 === undefined ? {} : { ipv6 };
}

function vpnOfKernel(peer: BackendPeer): VpnAddresses {
  return vpnAddresses(peer.vpn4, peer.vpn6);
}
