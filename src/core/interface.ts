/**
 * The interface of the contract, over a backend's.
 */
import { type AtOnce, atOnce, type VerbAtOnce } from "./at-once.ts";
import type { BackendInterface, BackendRules } from "./backend.ts";
import { runBulk } from "./bulk.ts";
import { Calls, peek } from "./calls.ts";
import type { Capabilities } from "./capabilities.ts";
import type { DcoInterface, Listener, Transport } from "./contract.ts";
import { describeError, unsupported } from "./errors.ts";
import type { Maybe } from "./maybe.ts";
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
import { Peers } from "./peers.ts";
import type { CoreTransport } from "./transport.ts";
import { Transports } from "./transports.ts";
import {
  validateArray,
  validateBulkOptions,
  validateConfigure,
  validateEventOptions,
  validateSignal,
} from "./validate.ts";
import { wipeIfWanted } from "./wipe-key.ts";

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

/** See {@link DcoInterface}. */
export class CoreInterface implements DcoInterface {
  readonly name: string;
  readonly index: number;
  readonly mode: InterfaceMode;
  readonly role: "owner" | "observer";
  readonly capabilities: Capabilities;
  readonly #parts: InterfaceParts;
  readonly #backend: BackendInterface;
  readonly #calls: Calls;
  readonly #peers: Peers;
  readonly #transports: Transports;
  #deleteOnClose: boolean;
  #removed = false;
  #closing: Promise<void> | undefined;

  private constructor(parts: InterfaceParts) {
    const { backend, backendName, capabilities, rules, role } = parts;
    this.#parts = parts;
    this.#backend = backend;
    this.name = backend.name;
    this.index = backend.index;
    this.mode = backend.mode;
    this.role = role;
    this.#deleteOnClose = parts.deleteOnClose;
    this.capabilities = capabilities;
    const observer = role === "observer";
    this.#calls = new Calls(`interface ${backend.name}`, backendName, backend.name, observer);
    this.#peers = new Peers(backend, backendName, capabilities, this.#calls.lifetime, observer);
    this.#transports = new Transports(backend, capabilities, rules, this.#peers.lives, this.#peers);
    this.#peers.lives.onRemoved = () => {
      this.#removed = true;
      void this.close().catch(() => {});
    };
  }

  /** Takes over a backend's interface: starts its events, then finds the peers that are there. */
  static async open(parts: InterfaceParts, flushPeers: boolean): Promise<CoreInterface> {
    const dco = new CoreInterface(parts);
    const { listPeers } = parts.capabilities;
    try {
      if (flushPeers && !listPeers) {
        throw unsupported("listPeers", "this driver cannot tell which peers are there", { effect: "none" });
      }
      await parts.backend.start(dco.#peers.lives.take);
      if (parts.backend.created) return dco;
      // Nobody reads yet: this only tells what a later event differs from.
      dco.#peers.lives.take({ type: "link", up: await parts.backend.isLinkUp() });
      if (listPeers) await dco.#peers.adopt(flushPeers);
    } catch (error) {
      await dco.abandon().catch(() => {});
      throw error;
    }
    return dco;
  }

  /** Closes what nobody got: what was made for it goes, whatever was wanted; what was there before stays there. */
  abandon(): Promise<void> {
    this.#deleteOnClose = this.#backend.created;
    return this.close();
  }

  get closed(): boolean {
    return this.#calls.lifetime.closed;
  }

  get extras(): object | undefined {
    return this.#backend.extras;
  }

  configure(config: InterfaceConfig, options?: CallOptions): Promise<void> {
    return this.#calls.change({ operation: "configure", target: this.name, options }, (signal) =>
      this.#backend.configure(validateConfigure(config, this.mode, this.#parts.capabilities), signal),
    );
  }

  linkUp(options?: CallOptions): Promise<void> {
    return this.#calls.ask({ operation: "linkUp", target: this.name, options }, async (signal) => {
      const stop = new AbortController();
      const events = this.#peers.lives.hub.read(
        64,
        signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
      );
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
    const undo = (late: CoreTransport) => late.end();
    return this.#calls.change(
      { operation: "openTransport", options, readSignal: validateSignal, undo },
      // A connection that nobody waits for any more would take minutes to fail.
      (signal) => this.#transports.open(options, this.#calls.lifetime.orClosed(signal)),
    );
  }

  listen(options: ListenOptions): Promise<Listener> {
    const undo = (late: Listener) => late.close();
    return this.#calls.change(
      { operation: "listen", options, readSignal: validateSignal, undo },
      (): Promise<Listener> => this.#transports.listen(options),
    );
  }

  addPeer(peer: AddPeerOptions, options?: CallOptions): Promise<PeerRef> {
    const undo = (ref: PeerRef) => this.#peers.undoAdd(ref);
    // What was replaced does not come back.
    const abortEffect = peek(peer, "replace") === true ? "unknown" : "none";
    const call = {
      operation: "addPeer",
      peer: peek(peer, "id"),
      options,
      undo,
      abortEffect,
    } as const;
    return this.#calls.change(call, (signal) => this.#peers.add(peer, signal));
  }

  setPeer(id: number, peer: SetPeerOptions, options?: CallOptions): Promise<void> {
    return this.#calls.change({ operation: "setPeer", peer: id, options }, (signal) =>
      this.#peers.set(id, peer, signal),
    );
  }

  removePeer(id: number, options?: CallOptions): Promise<void> {
    return this.#calls.change({ operation: "removePeer", peer: id, options }, (signal) =>
      this.#peers.remove(id, signal),
    );
  }

  peer(id: number, options?: CallOptions): Promise<PeerInfo> {
    return this.#calls.ask({ operation: "peer", peer: id, options }, (signal) => this.#peers.get(id, signal));
  }

  peers(options?: CallOptions): Promise<PeerInfo[]> {
    return this.#calls.ask({ operation: "peers", target: this.name, options }, () => this.#peers.list());
  }

  stats(options?: CallOptions): Promise<PeerStats[]> {
    return this.#calls.ask({ operation: "stats", target: this.name, options }, () => this.#peers.stats());
  }

  installKey(peer: number, key: KeyOptions, options?: CallOptions): Promise<void> {
    const refused = () => wipeIfWanted(() => key);
    return this.#calls.change({ operation: "installKey", peer, options, refused }, (signal) =>
      this.#peers.installKey(peer, key, signal),
    );
  }

  swapKeys(peer: number, options?: CallOptions): Promise<void> {
    return this.#calls.change({ operation: "swapKeys", peer, options }, (signal) =>
      this.#peers.swapKeys(peer, signal),
    );
  }

  deleteKey(peer: number, slot: KeySlot, options?: CallOptions): Promise<void> {
    return this.#calls.change({ operation: "deleteKey", peer, options }, (signal) =>
      this.#peers.deleteKey(peer, slot, signal),
    );
  }

  keys(peer: number, options?: CallOptions): Promise<KeyInfo[]> {
    return this.#calls.ask({ operation: "keys", peer, options }, (signal) => this.#peers.keys(peer, signal));
  }

  addPeers(peers: readonly AddPeerOptions[], options?: BulkOptions): Promise<BulkResult<PeerRef>[]> {
    const one = (item: AddPeerOptions, path: string) => this.#peers.add(item, undefined, path);
    return this.#bulk("addPeers", "peers", peers, options, one, this.#peers.additions);
  }

  installKeys(
    keys: readonly { readonly peer: number; readonly key: KeyOptions }[],
    options?: BulkOptions,
  ): Promise<BulkResult<void>[]> {
    const wipe = () => {
      for (const item of Array.isArray(keys) ? keys : []) wipeIfWanted(() => item.key);
    };
    const install = (item: unknown, path: string) => this.#peers.installBulkItem(item, path);
    return this.#bulk("installKeys", "keys", keys, options, install, this.#peers.installations, wipe);
  }

  swapKeysOf(peers: readonly number[], options?: BulkOptions): Promise<BulkResult<void>[]> {
    const one = (id: number, path: string) => this.#peers.swapKeys(id, undefined, path);
    return this.#bulk("swapKeysOf", "peers", peers, options, one, this.#peers.swaps);
  }

  removePeers(ids: readonly number[], options?: BulkOptions): Promise<BulkResult<void>[]> {
    const one = (id: number, path: string) => this.#peers.remove(id, undefined, path);
    return this.#bulk("removePeers", "ids", ids, options, one);
  }

  events(options?: EventOptions): AsyncIterableIterator<DcoEvent> {
    try {
      const { signal, queueLimit } = validateEventOptions(options);
      return this.#peers.lives.hub.read(queueLimit, signal);
    } catch (error) {
      throw describeError(error, "events", this.name);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * The signal of a bulk call ends it between two items: those that are done stay done, and say so.
   *
   * @param verb does many items at once
   * @param settled called when no item is at work any more, or none ever was
   */
  #bulk<I, T, Item extends { readonly id: number }>(
    operation: string,
    field: string,
    items: readonly I[],
    options: BulkOptions | undefined,
    one: (item: I, path: string) => Maybe<T>,
    verb?: VerbAtOnce<Item, T>,
    settled: () => void = () => {},
  ): Promise<BulkResult<T>[]> {
    const call = { operation, target: this.name, options: undefined, refused: settled };
    const pathOf = (at: number) => `${field}[${at}]`;
    const each = async (item: I, at: number) => {
      try {
        this.#calls.lifetime.check();
        return await one(item, pathOf(at));
      } catch (error) {
        throw describeError(error, operation, pathOf(at));
      }
    };
    const done = verb && atOnce(verb, operation, pathOf);
    const together: AtOnce<T> | undefined =
      done &&
      ((part) => {
        this.#calls.lifetime.check();
        return done(part);
      });
    const all = async () => {
      try {
        return await runBulk(validateArray(items, field), validateBulkOptions(options), each, together);
      } finally {
        settled();
      }
    };
    return this.#calls.change(call, all);
  }

  async #close(): Promise<void> {
    const { capabilities, onClosed } = this.#parts;
    const deleteOnClose = this.#deleteOnClose;
    const { lives } = this.#peers;
    this.#calls.lifetime.close();
    this.#transports.closing = true;
    const failures: unknown[] = [];
    const attempt = (step: Promise<unknown>) => step.catch((error: unknown) => failures.push(error));
    if (deleteOnClose || this.#removed || !capabilities.survivesProcess) {
      // All its peers end with it.
      for (const record of lives.table.all()) record.ending ??= "interface-removed";
      await attempt(this.#backend.close(deleteOnClose && !this.#removed));
      lives.endAll(true);
      await attempt(this.#transports.closeAll());
    } else {
      await attempt(this.#transports.closeAll());
      await attempt(this.#backend.close(false));
      lives.endAll(false);
    }
    await this.#calls.lifetime.settled();
    onClosed(this);
    if (failures.length > 0) throw describeError(failures[0], "close", this.name);
  }
}
