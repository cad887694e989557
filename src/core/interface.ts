/**
 * The interface of the contract, over a backend's: checks, order, bookkeeping, lifetimes.
 */
import type { BackendInterface, BackendRules, KeyRequest } from "./backend.ts";
import { runBulk } from "./bulk.ts";
import type { Capabilities } from "./capabilities.ts";
import type { DcoInterface, Listener, Transport } from "./contract.ts";
import { DcoError, describeError, unsupported } from "./errors.ts";
import { KeyedLock, Lifetime, throwIfAborted } from "./lifetime.ts";
import { CoreListener } from "./listener.ts";
import type {
  AddPeerOptions,
  BulkOptions,
  BulkResult,
  CallOptions,
  DcoEvent,
  EventOptions,
  InterfaceConfig,
  InterfaceMode,
  KeyInfo,
  KeyOptions,
  KeySlot,
  ListenOptions,
  OpenTransportOptions,
  PeerInfo,
  PeerRef,
  PeerStats,
  SetPeerOptions,
} from "./model.ts";
import { PeerKeys } from "./peer-keys.ts";
import { PeerLives } from "./peer-lives.ts";
import { type PeerRecord, peerInfo, refresh, vpnOf } from "./peer-table.ts";
import { publishError, publishRequest } from "./trace.ts";
import { CoreTransport, type TransportOwner } from "./transport.ts";
import {
  checkRemoteFamily,
  parseEndpoint,
  toEndpoint,
  type ValidatedSend,
  validateAddPeer,
  validateArray,
  validateBulkOptions,
  validateCallOptions,
  validateConfigure,
  validateEventOptions,
  validateKey,
  validateListen,
  validateOpenTransport,
  validatePeerId,
  validateSend,
  validateSetPeer,
  validateSignal,
  validateSlot,
} from "./validate.ts";

/** What an interface is made of. */
export interface InterfaceParts {
  readonly backend: BackendInterface;
  readonly backendName: string;
  readonly capabilities: Capabilities;
  readonly rules: BackendRules;
  readonly role: "owner" | "observer";
  readonly deleteOnClose: boolean;
  /** Called once it has closed. */
  readonly onClosed: (dco: CoreInterface) => void;
}

/** In p2p mode all peers share one lock, since one replaces another. */
const P2P_LOCK = -1;

/** See {@link DcoInterface}. */
export class CoreInterface implements DcoInterface, TransportOwner {
  readonly name: string;
  readonly index: number;
  readonly mode: InterfaceMode;
  readonly role: "owner" | "observer";
  readonly #parts: InterfaceParts;
  readonly #backend: BackendInterface;
  readonly #capabilities: Capabilities;
  readonly #lifetime: Lifetime;
  readonly #lock = new KeyedLock<number>();
  readonly #lives: PeerLives;
  readonly #keys: PeerKeys;
  readonly #transports = new Set<CoreTransport>();
  readonly #listeners = new Set<CoreListener>();
  #opening = 0;
  #removed = false;
  #closing: Promise<void> | undefined;

  private constructor(parts: InterfaceParts) {
    const { backend } = parts;
    this.#parts = parts;
    this.#backend = backend;
    this.#capabilities = parts.capabilities;
    this.name = backend.name;
    this.index = backend.index;
    this.mode = backend.mode;
    this.role = parts.role;
    this.#lifetime = new Lifetime(`interface ${backend.name}`);
    this.#lives = new PeerLives(backend, parts.backendName, (id, task) => this.#locked(id, task));
    this.#lives.onRemoved = () => {
      this.#removed = true;
      void this.close().catch(() => {});
    };
    this.#keys = new PeerKeys(backend);
  }

  /** Takes over a backend's interface: starts its events, then finds the peers that are there. */
  static async open(parts: InterfaceParts, flushPeers: boolean): Promise<CoreInterface> {
    const dco = new CoreInterface(parts);
    try {
      await parts.backend.start(dco.#lives.take);
      if (!parts.backend.created && parts.capabilities.readPeers) await dco.#adoptPeers(flushPeers);
    } catch (error) {
      await dco.close().catch(() => {});
      throw error;
    }
    return dco;
  }

  get closed(): boolean {
    return this.#lifetime.closed;
  }

  configure(config: InterfaceConfig, options?: CallOptions): Promise<void> {
    return this.#change("configure", this.name, options, (signal) =>
      this.#backend.configure(validateConfigure(config, this.mode, this.#capabilities), signal),
    );
  }

  linkUp(options?: CallOptions): Promise<void> {
    return this.#call("linkUp", this.name, options, async (signal) => {
      const stop = new AbortController();
      const events = this.#lives.hub.read(64, signal ? AbortSignal.any([signal, stop.signal]) : stop.signal);
      try {
        if (await this.#backend.isLinkUp()) return;
        for await (const event of events) {
          if (event.type === "link" && event.up) return;
          if (event.type === "snapshot" && (await this.#backend.isLinkUp())) return;
        }
      } finally {
        stop.abort();
      }
    });
  }

  openTransport(options: OpenTransportOptions): Promise<Transport> {
    return this.#change(
      "openTransport",
      undefined,
      options,
      async (signal) => {
        const request = validateOpenTransport(options, this.#parts.rules, this.#capabilities);
        const limit = this.#capabilities.maxTransports;
        if (this.#transports.size + this.#opening >= limit) {
          throw unsupported(
            "maxTransports",
            `this driver takes ${limit} transport(s) for an interface at a time`,
          );
        }
        this.#opening++;
        const opening = this.#backend.openTransport(request, signal).finally(() => this.#opening--);
        const backend = await this.#lifetime.guard(opening, signal, (late) => void late.close());
        return this.#adoptTransport(new CoreTransport(this, backend, request.queueLimit));
      },
      validateSignal,
    );
  }

  listen(options: ListenOptions): Promise<Listener> {
    return this.#change(
      "listen",
      undefined,
      options,
      async (signal) => {
        const request = validateListen(options, this.#parts.rules, this.#capabilities);
        const backend = await this.#lifetime.guard(
          this.#backend.listen(request),
          signal,
          (late) => void late.close(),
        );
        const listener: CoreListener = new CoreListener(
          backend,
          request.protocol,
          (transport) => this.#adoptTransport(new CoreTransport(this, transport, request.queueLimit)),
          () => this.#listeners.delete(listener),
        );
        this.#listeners.add(listener);
        return listener;
      },
      validateSignal,
    );
  }

  addPeer(options: AddPeerOptions, call?: CallOptions): Promise<PeerRef> {
    return this.#change("addPeer", peerName(options?.id), call, () => this.#addPeer(options));
  }

  setPeer(id: number, options: SetPeerOptions, call?: CallOptions): Promise<void> {
    return this.#change("setPeer", peerName(id), call, () => {
      validatePeerId(id);
      const { fields } = validateSetPeer(options, { mode: this.mode, capabilities: this.#capabilities });
      return this.#onPeer(id, async (record) => {
        if (fields.remote && record.transport)
          checkRemoteFamily(fields.remote, record.transport.backend, "remote");
        const { keepalive } = fields;
        const later = keepalive !== undefined && !record.keepaliveArmed && record.slots.size === 0;
        const now = later ? { ...fields, keepalive: undefined } : fields;
        if (Object.values(now).some((value) => value !== undefined)) await this.#backend.setPeer(id, now);
        if (keepalive !== undefined) {
          record.keepalive = keepalive;
          record.keepaliveArmed ||= !later && keepalive !== "off";
        }
        if (fields.remote) record.remote = toEndpoint(fields.remote);
        if (fields.txId !== undefined) record.txId = fields.txId;
        record.vpn = vpnOf(fields, record.vpn);
      });
    });
  }

  removePeer(id: number, call?: CallOptions): Promise<void> {
    return this.#change("removePeer", peerName(id), call, () => {
      validatePeerId(id);
      return this.#onPeer(id, (record) => this.#remove(record, "requested"));
    });
  }

  peer(id: number, call?: CallOptions): Promise<PeerInfo> {
    return this.#call("peer", peerName(id), call, () => {
      validatePeerId(id);
      return this.#onPeer(id, async (record) => {
        if (this.#capabilities.readPeers) refresh(record, await this.#backend.peer(id));
        return peerInfo(record);
      });
    });
  }

  peers(call?: CallOptions): Promise<PeerInfo[]> {
    return this.#call("peers", this.name, call, async () => {
      if (this.#capabilities.readPeers) {
        for (const peer of await this.#backend.peers()) {
          const record = this.#lives.table.get(peer.id);
          if (record) refresh(record, peer);
          else if (this.role === "observer")
            this.#lives.table.begin(this.#lives.table.fromKernel(peer, undefined));
        }
      }
      return this.#lives.table.all().map(peerInfo);
    });
  }

  stats(call?: CallOptions): Promise<PeerStats[]> {
    return this.#call("stats", this.name, call, async () => {
      const all: PeerStats[] = [];
      for (const stats of await this.#backend.stats()) {
        const record = this.#lives.table.get(stats.id);
        if (record) all.push({ ...stats, generation: record.generation });
      }
      return all;
    });
  }

  installKey(peer: number, key: KeyOptions, call?: CallOptions): Promise<void> {
    const work = this.#change("installKey", peerName(peer), call, () => {
      validatePeerId(peer, "peer");
      const request = validateKey(key, this.#capabilities);
      return this.#onPeer(peer, (record) => this.#installKey(record, request));
    });
    if (key?.wipe !== true) return work;
    // A call that was abandoned has still copied the key before it settled.
    return work.finally(() => wipe(key));
  }

  swapKeys(peer: number, call?: CallOptions): Promise<void> {
    return this.#change("swapKeys", peerName(peer), call, () => {
      validatePeerId(peer, "peer");
      return this.#onPeer(peer, (record) => this.#keys.swap(record));
    });
  }

  deleteKey(peer: number, slot: KeySlot, call?: CallOptions): Promise<void> {
    return this.#change("deleteKey", peerName(peer), call, () => {
      validatePeerId(peer, "peer");
      validateSlot(slot);
      if (!this.#capabilities.deleteKey) throw unsupported("deleteKey", "this driver cannot delete a key");
      return this.#onPeer(peer, (record) => this.#keys.delete(record, slot));
    });
  }

  keys(peer: number, call?: CallOptions): Promise<KeyInfo[]> {
    return this.#call("keys", peerName(peer), call, () => {
      validatePeerId(peer, "peer");
      return this.#onPeer(peer, async (record) => {
        const found = this.#capabilities.readKeys ? await this.#backend.keys(peer) : undefined;
        if (found === undefined) return [...record.slots.values()];
        // The kernel tells AES-GCM without the key's length; what was installed here says more.
        return found.map((key) => {
          const known = record.slots.get(key.slot);
          return known !== undefined && known.id === key.id ? known : key;
        });
      });
    });
  }

  addPeers(peers: readonly AddPeerOptions[], options?: BulkOptions): Promise<BulkResult<PeerRef>[]> {
    return this.#bulk("addPeers", validateArray(peers, "peers"), options, (item, at) =>
      this.#addPeer(item, `peers[${at}]`),
    );
  }

  installKeys(
    keys: readonly { readonly peer: number; readonly key: KeyOptions }[],
    options?: BulkOptions,
  ): Promise<BulkResult<void>[]> {
    return this.#bulk("installKeys", validateArray(keys, "keys"), options, async (item, at) => {
      try {
        validatePeerId(item?.peer, `keys[${at}].peer`);
        const request = validateKey(item.key, this.#capabilities, `keys[${at}].key`);
        await this.#onPeer(item.peer, (record) => this.#installKey(record, request));
      } finally {
        if (item?.key?.wipe === true) wipe(item.key);
      }
    });
  }

  removePeers(ids: readonly number[], options?: BulkOptions): Promise<BulkResult<void>[]> {
    return this.#bulk("removePeers", validateArray(ids, "ids"), options, (id, at) => {
      validatePeerId(id, `ids[${at}]`);
      return this.#onPeer(id, (record) => this.#remove(record, "requested"));
    });
  }

  events(options: EventOptions = {}): AsyncIterableIterator<DcoEvent> {
    const { signal, queueLimit } = validateEventOptions(options);
    return this.#lives.hub.read(queueLimit, signal);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // --- for the transport ---

  validateSend(packet: unknown, options: unknown): ValidatedSend {
    return validateSend(packet, options, this.#capabilities);
  }

  peerRemote(id: number, transport: CoreTransport): ValidatedSend["to"] {
    const record = this.#record(id);
    if (record.transport !== undefined && record.transport !== transport) {
      throw new DcoError("not-found", `peer ${id} is on another transport`);
    }
    if (record.remote === undefined) return undefined;
    return parseEndpoint(record.remote, "peer", { port: "nonzero" });
  }

  async closeTransport(transport: CoreTransport): Promise<void> {
    if (!this.#capabilities.closeTransport && !this.closed) {
      throw unsupported("closeTransport", "here a transport closes only with its interface", {
        operation: "close",
      });
    }
    const failures: unknown[] = [];
    const removals = [...transport.peers].map((record) =>
      this.#locked(record.id, async () => {
        if (record.ended === undefined) await this.#remove(record, "transport-closed");
      }),
    );
    for (const result of await Promise.allSettled(removals)) {
      const gone =
        result.status === "rejected" && DcoError.is(result.reason) && result.reason.code === "not-found";
      if (result.status === "rejected" && !gone) failures.push(result.reason);
    }
    await transport.release().catch((error: unknown) => failures.push(error));
    this.#transports.delete(transport);
    // The kernel ends with the socket whatever peer was left on it.
    for (const record of transport.peers) this.#lives.end(record, "transport-closed");
    if (failures.length > 0) throw describeError(failures[0], "close", "transport");
  }

  transportEnded(transport: CoreTransport): void {
    void transport.close().catch(() => {});
  }

  // --- helpers ---

  async #addPeer(options: AddPeerOptions, path?: string): Promise<PeerRef> {
    const context = {
      mode: this.mode,
      capabilities: this.#capabilities,
      ...(path !== undefined && { path }),
    };
    const { request: asked, transport, keepalive } = validateAddPeer(options, context);
    const field = (name: string) => (path === undefined ? name : `${path}.${name}`);
    if (!(transport instanceof CoreTransport) || !this.#transports.has(transport)) {
      const problem =
        transport instanceof CoreTransport && transport.closed
          ? "is closed"
          : "is not one of this interface's";
      throw new DcoError("socket", `${field("transport")}: the transport ${problem}`, {
        field: field("transport"),
      });
    }
    const remote =
      asked.remote ??
      (transport.protocol === "udp" && transport.remote
        ? parseEndpoint(transport.remote, field("remote"), { port: "nonzero" })
        : undefined);
    if (transport.protocol === "udp" && remote === undefined) {
      throw new DcoError(
        "invalid",
        `${field("remote")}: needed, because the transport has no remote of its own`,
        {
          field: field("remote"),
        },
      );
    }
    if (remote) checkRemoteFamily(remote, transport.backend, field("remote"));
    const request = { ...asked, remote };
    return this.#locked(asked.id, async () => {
      const table = this.#lives.table;
      const inTheWay =
        this.mode === "p2p" ? table.all() : [table.get(request.id)].filter((r) => r !== undefined);
      if (inTheWay.length > 0 && !request.replace) await this.#checkExists(inTheWay, request.id);
      for (const record of inTheWay) {
        if (record.ended === undefined) await this.#replace(record);
      }
      const record = table.fromRequest(request, transport, keepalive ?? "off");
      await this.#backend.addPeer(request, transport.backend);
      table.begin(record);
      if (transport.closed) await this.#remove(record, "transport-closed");
      return { id: record.id, generation: record.generation };
    });
  }

  /** A peer that the table has may be gone in the kernel: only then does the id come free. */
  async #checkExists(inTheWay: readonly PeerRecord[], id: number): Promise<void> {
    for (const record of inTheWay) {
      if (this.#capabilities.readPeers) await this.#lives.verify(record);
      if (record.ended !== undefined) continue;
      const which = record.id === id ? `peer ${id} exists` : `the peer of this p2p interface is ${record.id}`;
      throw new DcoError("exists", `${which}; pass replace: true to put another in its place`, {
        effect: "none",
      });
    }
  }

  async #replace(record: PeerRecord): Promise<void> {
    if (!this.#capabilities.replacePeer) {
      throw unsupported("replacePeer", "replacing a peer needs a new transport here");
    }
    await this.#remove(record, "replaced").catch((error: unknown) => {
      if (!DcoError.is(error) || error.code !== "not-found") throw error;
    });
  }

  async #installKey(record: PeerRecord, request: KeyRequest): Promise<void> {
    await this.#keys.install(record, request);
    if (record.keepaliveArmed || record.keepalive === "off") return;
    const fields = { remote: undefined, local: undefined, vpn4: undefined, vpn6: undefined };
    const { keepalive } = record;
    await this.#backend.setPeer(record.id, { ...fields, routes: undefined, txId: undefined, keepalive });
    record.keepaliveArmed = true;
  }

  async #remove(record: PeerRecord, reason: "requested" | "replaced" | "transport-closed"): Promise<void> {
    record.ending = reason;
    try {
      await this.#backend.removePeer(record.id);
      this.#lives.end(record, reason);
    } catch (error) {
      record.ending = undefined;
      // The kernel ended it a moment ago, and its own event says why; if that was lost, the kernel is asked.
      if (DcoError.is(error) && error.code === "not-found") {
        await new Promise((resolve) => setImmediate(resolve));
        if (this.#capabilities.readPeers) await this.#lives.verify(record);
      }
      throw error;
    }
  }

  async #adoptPeers(flush: boolean): Promise<void> {
    const { table } = this.#lives;
    for (const peer of await this.#backend.peers()) {
      const keys = this.#capabilities.readKeys ? await this.#backend.keys(peer.id) : undefined;
      const record = table.fromKernel(peer, keys);
      table.begin(record);
      if (flush && this.role === "owner")
        await this.#locked(peer.id, () => this.#remove(record, "requested"));
    }
  }

  #adoptTransport(transport: CoreTransport): CoreTransport {
    this.#transports.add(transport);
    return transport;
  }

  #record(id: number): PeerRecord {
    const record = this.#lives.table.get(id);
    if (record === undefined) {
      throw new DcoError("not-found", `interface ${this.name} has no peer ${id}`, { effect: "none" });
    }
    return record;
  }

  #locked<T>(id: number, task: () => Promise<T>): Promise<T> {
    return this.#lock.run(this.mode === "p2p" ? P2P_LOCK : id, task);
  }

  #onPeer<T>(id: number, task: (record: PeerRecord) => Promise<T>): Promise<T> {
    return this.#locked(id, async () => task(this.#record(id)));
  }

  #bulk<I, T>(
    operation: string,
    items: readonly I[],
    options: BulkOptions | undefined,
    one: (item: I, at: number) => Promise<T>,
  ): Promise<BulkResult<T>[]> {
    return this.#change(operation, this.name, undefined, () =>
      runBulk(items, validateBulkOptions(options), async (item, at) => {
        try {
          this.#lifetime.check();
          return await one(item, at);
        } catch (error) {
          throw describeError(error, operation, `item ${at}`);
        }
      }),
    );
  }

  #change<T>(
    operation: string,
    target: string | undefined,
    call: CallOptions | undefined,
    body: (signal: AbortSignal | undefined) => Promise<T>,
    readSignal = validateCallOptions,
  ): Promise<T> {
    const checked = (signal: AbortSignal | undefined) => {
      if (this.role === "observer") {
        throw new DcoError("permission", `interface ${this.name} is only observed`, { effect: "none" });
      }
      return body(signal);
    };
    return this.#call(operation, target, call, checked, readSignal);
  }

  async #call<T>(
    operation: string,
    target: string | undefined,
    call: CallOptions | undefined,
    body: (signal: AbortSignal | undefined) => Promise<T>,
    readSignal = validateCallOptions,
  ): Promise<T> {
    publishRequest(this.#parts.backendName, this.name, operation, target);
    try {
      const signal = readSignal(call);
      this.#lifetime.check();
      throwIfAborted(signal);
      return await this.#lifetime.guard(body(signal), signal);
    } catch (error) {
      const failure = describeError(error, operation, target);
      publishError(this.#parts.backendName, this.name, failure);
      throw failure;
    }
  }

  async #close(): Promise<void> {
    this.#lifetime.close();
    const failures: unknown[] = [];
    const attempt = async (step: Promise<unknown>) => {
      await step.catch((error: unknown) => failures.push(error));
    };
    const { deleteOnClose, onClosed } = this.#parts;
    for (const listener of this.#listeners) await attempt(listener.close());
    const closeTransports = () =>
      Promise.all([...this.#transports].map((transport) => attempt(transport.close())));
    if (deleteOnClose || this.#removed) {
      // Deleting the interface ends all its peers at once.
      await attempt(this.#backend.close(!this.#removed));
      this.#lives.endAll();
      await closeTransports();
    } else {
      await closeTransports();
      await attempt(this.#backend.close(false));
      this.#lives.endAll();
    }
    onClosed(this);
    if (failures.length > 0) throw describeError(failures[0], "close", this.name);
  }
}

function peerName(id: unknown): string {
  return `peer ${String(id)}`;
}

function wipe(key: KeyOptions): void {
  for (const direction of [key.encrypt, key.decrypt]) {
    for (const bytes of [direction?.key, direction?.nonceTail]) {
      if (bytes instanceof Uint8Array) bytes.fill(0);
    }
  }
}
