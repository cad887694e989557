/**
 * The peer verbs of an interface: checks, order, and what the kernel does not keep.
 */
import type { AddPeerRequest, BackendInterface, BackendPeer, KeyRequest, PeerFields } from "./backend.ts";
import { NO_BULK_OPTIONS, runBulk } from "./bulk.ts";
import type { Capabilities } from "./capabilities.ts";
import { DcoError, hadNoEffect, invalid, unlessNotFound, unsupported, withEffect } from "./errors.ts";
import { KeyedLock, type Lifetime, throwIfAborted } from "./lifetime.ts";
import { chain, type Maybe, settle } from "./maybe.ts";
import type { Keepalive, KeyInfo, KeyOptions, KeySlot, PeerInfo, PeerRef, PeerStats } from "./model.ts";
import { forEachPaced } from "./pace.ts";
import { PeerKeys } from "./peer-keys.ts";
import { PeerLives } from "./peer-lives.ts";
import { PeerRoutes } from "./peer-routes.ts";
import { type PeerRecord, peerInfo, refresh, vpnOf } from "./peer-table.ts";
import { additions, type CheckedAdd, installations, swaps } from "./peers-at-once.ts";
import { CoreTransport, type TransportEndReason } from "./transport.ts";
import {
  at,
  checkOnlyRemote,
  checkRemoteFamily,
  checkRouteFamilies,
  parseEndpoint,
  readFields,
  toEndpoint,
  validateAddPeer,
  validateKey,
  validatePeerId,
  validateSetPeer,
  validateSlot,
} from "./validate.ts";
import { wipeIfWanted } from "./wipe-key.ts";

/** In p2p mode all peers share one lock, since one replaces another. */
const P2P_LOCK = -1;

type Signal = AbortSignal | undefined;

/** The peers of one interface. */
export class Peers {
  readonly lives: PeerLives;
  readonly #backend: BackendInterface;
  readonly #capabilities: Capabilities;
  readonly #lifetime: Lifetime;
  readonly #observer: boolean;
  readonly #keys: PeerKeys;
  readonly #routes: PeerRoutes;
  readonly #lock = new KeyedLock<number>();
  /** The verbs for many, where the backend can do them at once. */
  readonly additions;
  readonly installations;
  readonly swaps;

  constructor(
    backend: BackendInterface,
    backendName: string,
    capabilities: Capabilities,
    lifetime: Lifetime,
    observer: boolean,
  ) {
    this.#backend = backend;
    this.#capabilities = capabilities;
    this.#lifetime = lifetime;
    const locked = async (id: number, task: () => Promise<void>) => this.#locked(id, task);
    this.#observer = observer;
    this.lives = new PeerLives(backend, backendName, locked, { capabilities, observer });
    this.#keys = new PeerKeys(backend);
    this.#routes = new PeerRoutes(this.lives.table);
    this.lives.whenEnded((record) => {
      this.#routes.release(record);
      backend.peerEnded?.(record.id);
    });
    const parts = {
      backend,
      capabilities,
      table: this.lives.table,
      keys: this.#keys,
      routes: this.#routes,
      lock: this.#lock,
      find: (id: number) => this.find(id),
      checkAdd: (options: unknown, path: string | undefined) => this.#checkAdd(options, path),
    };
    this.additions = additions(parts);
    this.installations = installations(parts);
    this.swaps = swaps(parts);
  }

  /** The living peer of this id. Errors: `not-found`. */
  find(id: number): PeerRecord {
    const record = this.lives.table.get(id);
    if (record !== undefined) return record;
    throw new DcoError("not-found", `interface ${this.#backend.name} has no peer ${id}`, { effect: "none" });
  }

  /** Takes in the peers that an existing interface has, or removes them. They may end meanwhile. */
  async adopt(flush: boolean): Promise<void> {
    const { table } = this.lives;
    // All at once, so that no end of one is missed while others are asked about.
    for (const peer of await this.#backend.peers()) table.begin(table.fromKernel(peer));
    if (flush) {
      const remove = async ({ id }: PeerRecord) => {
        await Promise.resolve(this.remove(id, undefined)).catch(unlessNotFound);
      };
      for (const result of await runBulk(table.all(), NO_BULK_OPTIONS, remove)) {
        if (!result.ok) throw result.error;
      }
    } else await this.lives.readAllKeys();
  }

  /** @param path where the options stand in a bulk call */
  add(options: unknown, signal: Signal, path?: string): Maybe<PeerRef> {
    const checked = this.#checkAdd(options, path);
    const { id, request, socket } = checked;
    return this.#locked(id, () => {
      if (this.#isFree(request)) return this.#put(checked, signal, path);
      return this.#makeWay(request, socket).then(async (replaced) => {
        try {
          return await this.#put(checked, signal, path);
        } catch (error) {
          throw replaced ? withEffect(error, "unknown") : error;
        }
      });
    });
  }

  /** Whether nothing can be in the way of a new peer. */
  #isFree({ id, replace }: AddPeerRequest): boolean {
    return this.#backend.mode === "multipeer" && !replace && this.lives.table.get(id) === undefined;
  }

  #put(checked: CheckedAdd, signal: Signal, path: string | undefined): Maybe<PeerRef> {
    const { socket } = checked;
    this.#lifetime.check();
    throwIfAborted(signal);
    // From here to the kernel nothing may wait: the descriptor must still be this transport's.
    this.#checkTransport(socket, at(path, "transport"));
    const begun = this.#begin(checked);
    if (!(begun instanceof Promise)) return refOf(begun);
    return begun.then(async (record) => {
      if (socket.ending) await this.#remove(record, "transport-closed");
      // Before anybody else can use the id: who aborted is told that there is no such peer.
      else if (signal?.aborted) await this.#remove(record, "requested").catch(unlessNotFound);
      return refOf(record);
    });
  }

  #checkAdd(options: unknown, path: string | undefined): CheckedAdd {
    const context = { mode: this.#backend.mode, capabilities: this.#capabilities, path };
    const { request, transport, keepalive = "off" } = validateAddPeer(options, context);
    const socket = this.#checkTransport(transport, at(path, "transport"));
    const remoteField = at(path, "remote");
    const remote = remoteOf(request, socket, remoteField);
    if (remote) checkOnlyRemote(remote, socket.backend, remoteField, this.#capabilities);
    const whole = request.remote === remote ? request : { ...request, remote };
    const { id } = request;
    return { id, request: whole, socket, transport: socket.backend, keepalive, record: undefined };
  }

  /** Takes back what `add` did; not another peer that has the id by now. */
  async undoAdd({ id, generation }: PeerRef): Promise<void> {
    await this.#locked(id, async () => {
      const record = this.lives.table.get(id);
      if (record?.generation === generation) await this.#remove(record, "requested").catch(unlessNotFound);
    });
  }

  #begin({ request, socket, keepalive }: CheckedAdd): Maybe<PeerRecord> {
    const { table } = this.lives;
    const record = table.fromRequest(request, socket, keepalive);
    this.#routes.checkVpn(record, record.vpn);
    this.#routes.claim(record, request.routes ?? []);
    const begin = () => {
      table.begin(record);
      return record;
    };
    let added: Maybe<void>;
    try {
      added = this.#backend.addPeer(request, socket.backend);
    } catch (error) {
      return this.#notAdded(record, error);
    }
    return added instanceof Promise ? added.then(begin, (error) => this.#notAdded(record, error)) : begin();
  }

  async #notAdded(record: PeerRecord, error: unknown): Promise<never> {
    this.#routes.release(record);
    // It may be there although the call failed.
    if (!hadNoEffect(error)) await this.#backend.removePeer(record.id).catch(() => {});
    throw error;
  }

  set(id: unknown, options: unknown, signal: Signal): Maybe<void> {
    validatePeerId(id, "id");
    const { fields } = validateSetPeer(options, {
      mode: this.#backend.mode,
      capabilities: this.#capabilities,
    });
    return this.#onPeer(id, "id", signal, (record) => {
      if (record.transport?.protocol === "tcp") refuseAddresses(fields, "remote");
      else if (fields.remote && record.transport)
        checkRemoteFamily(fields.remote, record.transport.backend, "remote");
      const { keepalive, vpn4 = record.vpn.ipv4, vpn6 = record.vpn.ipv6 } = fields;
      if (this.#backend.mode === "multipeer") checkRouteFamilies(fields.routes, { vpn4, vpn6 }, "routes");
      const later = keepalive !== undefined && !record.keepaliveArmed && record.slots.all().length === 0;
      const now = later ? { ...fields, keepalive: undefined } : fields;
      this.#routes.checkVpn(record, vpnOf(fields, {}));
      const unclaim = fields.routes && this.#routes.claim(record, fields.routes);
      return settle(
        () => (hasAny(now) ? this.#backend.setPeer(record.id, now) : undefined),
        () => this.#noteSettings(record, fields, later),
        () => unclaim?.(),
      );
    });
  }

  #noteSettings(record: PeerRecord, fields: PeerFields, later: boolean): void {
    const { keepalive } = fields;
    if (keepalive !== undefined) {
      record.keepalive = keepalive;
      record.keepaliveArmed ||= !later && keepalive !== "off";
    }
    if (fields.remote) record.remote = toEndpoint(fields.remote);
    if (fields.txId !== undefined) record.txId = fields.txId;
    record.vpn = vpnOf(fields, record.vpn);
    record.changed = ++this.lives.table.clock;
  }

  async remove(id: unknown, signal: Signal, field = "id"): Promise<void> {
    await this.#onPeer(id, field, signal, (record) => this.#remove(record, "requested"));
  }

  /** Ends a peer because its transport closes; one that has ended is no error. */
  async endWithTransport(record: PeerRecord, reason: TransportEndReason): Promise<void> {
    await this.#locked(record.id, async () => {
      if (record.ended !== undefined) return;
      await this.#remove(record, reason).catch(unlessNotFound);
    });
  }

  get(id: unknown, signal: Signal): Maybe<PeerInfo> {
    return this.#onPeer(id, "id", signal, (record) => {
      const asked = this.lives.table.clock;
      return chain(this.#backend.peer(record.id), (peer) => {
        if (this.#capabilities.readPeers) refresh(record, peer, asked);
        if (this.#observer) return this.lives.readKeys(record).then(() => peerInfo(record));
        return peerInfo(record);
      });
    });
  }

  async list(): Promise<PeerInfo[]> {
    const { table } = this.lives;
    const { readPeers, listPeers } = this.#capabilities;
    if (!readPeers && !listPeers) return table.all().map(peerInfo);
    const { clock: asked, lastGeneration } = table;
    const found = await this.#backend.peers();
    const ids = new Set<number>();
    await forEachPaced(found, (peer) => {
      ids.add(peer.id);
      this.lives.refresh(peer, asked);
    });
    if (this.#observer) await this.lives.readAllKeys();
    const all: PeerInfo[] = [];
    await forEachPaced(table.all(), (record) => {
      // One that has ended may still be in the table, its event not yet read; or it ends in one of the turns.
      if (record.ended !== undefined) return;
      if (ids.has(record.id) || record.generation > lastGeneration) all.push(peerInfo(record));
    });
    return all;
  }

  async stats(): Promise<PeerStats[]> {
    const { table } = this.lives;
    const found = await this.#backend.stats();
    if (this.#observer && found.some(({ id }) => table.get(id) === undefined)) await this.list();
    const all: PeerStats[] = [];
    await forEachPaced(found, ({ id, link, tunnel }) => {
      const record = table.get(id);
      if (record !== undefined) all.push({ id, generation: record.generation, link, tunnel });
    });
    return all;
  }

  installKey(id: unknown, key: KeyOptions, signal: Signal): Maybe<void> {
    // Only at the end is it certain that the kernel, or nobody, has read them.
    const wipe = () => wipeIfWanted(() => key);
    return settle(() => this.#install(id, "peer", key, undefined, signal), wipe, wipe);
  }

  /**
   * The caller wipes.
   *
   * @param path where the item stands in the bulk call
   */
  installBulkItem(item: unknown, path: string): Maybe<void> {
    const { peer, key } = readFields(item, ["peer", "key"], path);
    return this.#install(peer, at(path, "peer"), key, at(path, "key"), undefined);
  }

  #install(
    id: unknown,
    idField: string,
    key: unknown,
    keyPath: string | undefined,
    signal: Signal,
  ): Maybe<void> {
    const request = validateKey(key, this.#capabilities, keyPath);
    return this.#onPeer(id, idField, signal, (record) => this.#installKey(record, request, keyPath));
  }

  swapKeys(id: unknown, signal: Signal, field = "peer"): Maybe<void> {
    return this.#onPeer(id, field, signal, (record) => this.#keys.swap(record));
  }

  deleteKey(id: unknown, slot: unknown, signal: Signal): Maybe<void> {
    const which: KeySlot = validateSlot(slot);
    if (!this.#capabilities.deleteKey) throw unsupported("deleteKey", "this driver cannot delete a key");
    return this.#onPeer(id, "peer", signal, (record) => this.#keys.delete(record, which));
  }

  keys(id: unknown, signal: Signal): Maybe<KeyInfo[]> {
    return this.#onPeer(id, "peer", signal, (record) =>
      chain(this.#backend.keys(record.id), (found) => {
        if (found === undefined) return record.slots.all();
        // The kernel tells AES-GCM without the key's length; what was installed here says more.
        return found.map((key) => {
          const known = record.slots[key.slot];
          return known !== undefined && known.id === key.id ? known : key;
        });
      }),
    );
  }

  #checkTransport(transport: unknown, field: string): CoreTransport {
    if (!(transport instanceof CoreTransport)) {
      throw invalid(field, "is not a transport of this package");
    }
    if (transport.ending)
      throw new DcoError("socket", `${field}: the transport is closed`, { field, effect: "none" });
    if (transport.dco !== this.#backend) {
      throw new DcoError("socket", `${field}: the transport belongs to interface ${transport.dco.name}`, {
        field,
        effect: "none",
      });
    }
    return transport;
  }

  /**
   * Sees to it that there is room for a peer: fails with `exists`, or removes what is to be replaced.
   *
   * @returns whether a peer was removed
   */
  async #makeWay(request: AddPeerRequest, socket: CoreTransport): Promise<boolean> {
    const { table } = this.lives;
    await this.#discover(request);
    const one = table.get(request.id);
    const inTheWay = this.#backend.mode === "p2p" ? table.all() : one ? [one] : [];
    let removed = false;
    for (const record of inTheWay) {
      // A peer that the table has may be gone in the kernel, its event not yet read.
      await this.lives.verify(record);
      if (record.ended !== undefined) continue;
      if (!request.replace) {
        const which =
          record.id === request.id ? `peer ${record.id} exists` : `this p2p interface has peer ${record.id}`;
        throw new DcoError("exists", `${which}; replace: true puts another in its place`, { effect: "none" });
      }
      if (!this.#capabilities.replacePeer) {
        throw unsupported("replacePeer", "replacing a peer needs a new transport here", { effect: "none" });
      }
      if (record.transport === socket && this.#capabilities.peerEndsTransport.includes(socket.protocol)) {
        const problem = "the transport would end with the peer that is to be replaced; use another";
        throw unsupported("peerEndsTransport", problem, { effect: "none" });
      }
      await this.#remove(record, "replaced").catch(unlessNotFound);
      removed = true;
    }
    return removed;
  }

  /** Takes in what somebody else has put in the way of a peer, where the kernel would not refuse, or is not to. */
  async #discover(request: AddPeerRequest): Promise<void> {
    const { table } = this.lives;
    const { readPeers, listPeers } = this.#capabilities;
    let found: BackendPeer[] = [];
    if (this.#backend.mode === "p2p") {
      if (listPeers) found = await this.#backend.peers();
    } else if (readPeers && request.replace && table.get(request.id) === undefined) {
      try {
        found = [await this.#backend.peer(request.id)];
      } catch (error) {
        unlessNotFound(error);
      }
    }
    for (const peer of found) {
      if (table.get(peer.id) === undefined) table.begin(table.fromKernel(peer));
    }
  }

  #installKey(record: PeerRecord, request: KeyRequest, path: string | undefined): Maybe<void> {
    return chain(this.#keys.install(record, request, path), () =>
      record.keepaliveArmed || record.keepalive === "off" ? undefined : this.#arm(record, record.keepalive),
    );
  }

  async #arm(record: PeerRecord, keepalive: Keepalive): Promise<void> {
    const fields = { remote: undefined, local: undefined, vpn4: undefined, vpn6: undefined };
    try {
      await this.#backend.setPeer(record.id, { ...fields, routes: undefined, txId: undefined, keepalive });
    } catch (error) {
      // The kernel has the key; the next one arms the keepalive.
      throw withEffect(error, "done");
    }
    record.keepaliveArmed = true;
  }

  async #remove(record: PeerRecord, reason: "requested" | "replaced" | TransportEndReason): Promise<void> {
    record.ending = reason;
    try {
      await this.#backend.removePeer(record.id);
      this.lives.end(record, reason);
    } catch (error) {
      record.ending = undefined;
      if (DcoError.is(error) && error.code === "not-found") {
        await this.lives.verify(record);
      }
      throw error;
    }
  }

  #locked<T>(id: number, task: () => Maybe<T>): Maybe<T> {
    return this.#lock.run(this.#backend.mode === "p2p" ? P2P_LOCK : id, task);
  }

  /** Runs a task while nothing else is done to the peer; one that was given up meanwhile does not begin. */
  #onPeer<T>(id: unknown, field: string, signal: Signal, task: (record: PeerRecord) => Maybe<T>): Maybe<T> {
    const peer = validatePeerId(id, field);
    return this.#locked(peer, () => {
      this.#lifetime.check();
      throwIfAborted(signal);
      const { table } = this.lives;
      if (!this.#observer || table.get(peer) !== undefined) return task(this.find(peer));
      const asked = table.clock;
      return chain(this.#backend.peer(peer), (found) => {
        this.lives.refresh(found, asked);
        return task(this.find(peer));
      });
    });
  }
}

function refOf({ id, generation }: PeerRecord): PeerRef {
  return { id, generation };
}

function hasAny(fields: PeerFields): boolean {
  for (const name in fields) if (fields[name as keyof PeerFields] !== undefined) return true;
  return false;
}

/** UDP peers default to the transport's remote; the validation has refused one for TCP. */
function remoteOf(
  request: AddPeerRequest,
  transport: CoreTransport,
  field: string,
): AddPeerRequest["remote"] {
  if (transport.protocol === "tcp") {
    refuseAddresses(request, field);
    return undefined;
  }
  const remote =
    request.remote ?? (transport.remote && parseEndpoint(transport.remote, field, { port: "nonzero" }));
  if (remote === undefined) throw invalid(field, "needed, because the transport has no remote of its own");
  checkRemoteFamily(remote, transport.backend, field);
  return remote;
}

/** A TCP peer is where its connection is, at both ends. */
function refuseAddresses({ remote, local }: PeerFields, remoteField: string): void {
  if (remote) throw invalid(remoteField, "a TCP peer is where its connection is");
  if (local) throw invalid(remoteField.replace(/remote$/, "local"), "a TCP peer is where its connection is");
}
