/**
 * The contract: driver, interface, transport, listener.
 *
 * Each level is an `AsyncDisposable`. `close()` is idempotent, releases everything although one step fails,
 * and rejects what is in flight with `closed`. All failures are {@link DcoError}s; the codes that every verb
 * may give are `aborted`, `closed`, `invalid`, `permission` and `system`, the others stand with the verb.
 */
import type { Capabilities } from "./capabilities.ts";
import type {
  AddPeerOptions,
  AdoptInterfaceOptions,
  BulkOptions,
  BulkResult,
  CallOptions,
  ControlPacket,
  CreateInterfaceOptions,
  DcoEvent,
  DriverInfo,
  Endpoint,
  EventOptions,
  InterfaceConfig,
  InterfaceInfo,
  InterfaceMode,
  KeyInfo,
  KeyOptions,
  KeySlot,
  ListenOptions,
  ListInterfacesOptions,
  OpenTransportOptions,
  PeerInfo,
  PeerRef,
  PeerStats,
  SendOptions,
  SetPeerOptions,
  TransportCounters,
  TransportProtocol,
} from "./model.ts";

/** One platform's kernel backend, or the userspace one. */
export interface DcoDriver extends AsyncDisposable {
  /** Backend, module, version, and why it was chosen. */
  readonly info: DriverInfo;
  /** What this kernel really does, found by asking it; in which mode, `dco.capabilities` says. */
  readonly capabilities: Capabilities;

  /**
   * Creates an interface, or takes over an existing one as `onExisting` says. Errors: `exists`, `not-found`,
   * `busy` (Windows: in use by another program).
   */
  createInterface(options: CreateInterfaceOptions): Promise<DcoInterface>;
  /** Takes over, or observes, an interface that is there. Errors: `not-found`, `invalid` (another kind). */
  adoptInterface(name: string, options?: AdoptInterfaceOptions): Promise<DcoInterface>;
  /** All interfaces of the driver's kind, whoever made them. */
  listInterfaces(options?: ListInterfacesOptions): Promise<InterfaceInfo[]>;
  /** Deletes an interface of the driver's kind. Errors: `not-found`, `invalid` (another kind). */
  deleteInterface(name: string, options?: CallOptions): Promise<void>;
  /** Deletes the interfaces that dead processes of dcokit left behind, and only those; returns them. */
  cleanUp(options?: ListInterfacesOptions): Promise<InterfaceInfo[]>;
  /** Closes all interfaces of this driver. */
  close(): Promise<void>;
}

/** One DCO network interface. */
export interface DcoInterface extends AsyncDisposable {
  /** As the operating system knows it. */
  readonly name: string;
  /** 0 where the operating system has no such interface (userspace stream). */
  readonly index: number;
  readonly mode: InterfaceMode;
  /** An observer reads peers, keys, counters and events, and changes nothing (`permission`). */
  readonly role: "owner" | "observer";
  /** Whether it was closed, or is gone. */
  readonly closed: boolean;
  /** What can be done with this interface: the driver's, and less where its mode has less. */
  readonly capabilities: Capabilities;
  /** What only this backend's interfaces have, typed by its own entry point; else undefined. */
  readonly extras: object | undefined;

  /** Makes the interface be as described; applied as soon as the link exists. */
  configure(config: InterfaceConfig, options?: CallOptions): Promise<void>;
  /** Resolves when packets can flow: the interface is up and has carrier (in p2p mode: a peer). */
  linkUp(options?: CallOptions): Promise<void>;

  /** Opens the socket that carries OpenVPN packets. Errors: `busy` (address in use), `socket`, `unsupported`. */
  openTransport(options: OpenTransportOptions): Promise<Transport>;
  /** Waits for transports: one for each TCP connection; a single one for UDP. Errors as `openTransport`. */
  listen(options: ListenOptions): Promise<Listener>;

  /** Errors: `exists`, `socket` (not usable, or used by another interface), `unsupported`. */
  addPeer(options: AddPeerOptions, call?: CallOptions): Promise<PeerRef>;
  /** Errors: `not-found`, `unsupported`. */
  setPeer(id: number, options: SetPeerOptions, call?: CallOptions): Promise<void>;
  /** Ends a peer, with one `peer-deleted` event. Errors: `not-found`. */
  removePeer(id: number, call?: CallOptions): Promise<void>;
  /** One peer as the kernel has it now. Errors: `not-found`. */
  peer(id: number, call?: CallOptions): Promise<PeerInfo>;
  /** All peers as the kernel has them now. */
  peers(call?: CallOptions): Promise<PeerInfo[]>;
  /** Counters of all peers, in one request where the kernel can. */
  stats(call?: CallOptions): Promise<PeerStats[]>;

  /** Puts a key into a slot; what was there is replaced. Errors: `not-found` (peer), `unsupported` (cipher). */
  installKey(peer: number, key: KeyOptions, call?: CallOptions): Promise<void>;
  /** Exchanges primary and secondary. Errors: `not-found` (peer, or nothing in the secondary slot). */
  swapKeys(peer: number, call?: CallOptions): Promise<void>;
  /** Empties a slot; an empty slot is no error. Errors: `not-found` (peer), `unsupported`. */
  deleteKey(peer: number, slot: KeySlot, call?: CallOptions): Promise<void>;
  /** What the slots of a peer hold. Errors: `not-found`. */
  keys(peer: number, call?: CallOptions): Promise<KeyInfo[]>;

  /** `addPeer` for many; results in the order of the items, one failure does not hide the others. */
  addPeers(peers: readonly AddPeerOptions[], options?: BulkOptions): Promise<BulkResult<PeerRef>[]>;
  /** `installKey` for many, each with the id of its peer; as `addPeers`. */
  installKeys(
    keys: readonly { readonly peer: number; readonly key: KeyOptions }[],
    options?: BulkOptions,
  ): Promise<BulkResult<void>[]>;
  /** `swapKeys` for many peers, by their ids; as `addPeers`. */
  swapKeysOf(peers: readonly number[], options?: BulkOptions): Promise<BulkResult<void>[]>;
  /** `removePeer` for many peers, by their ids; as `addPeers`. The kernel's waits overlap. */
  removePeers(ids: readonly number[], options?: BulkOptions): Promise<BulkResult<void>[]>;

  /** Events from this call on. Each reader has a bounded queue of its own. Ends after `closed`. */
  events(options?: EventOptions): AsyncIterableIterator<DcoEvent>;

  /** Ends all peers and transports, and deletes the interface if it is to be deleted. */
  close(): Promise<void>;
}

/** The socket that carries OpenVPN packets of one or more peers of one interface. */
export interface Transport extends AsyncDisposable {
  readonly protocol: TransportProtocol;
  /** The bound address; undefined where the driver does not tell (Windows p2p). */
  readonly local: Endpoint | undefined;
  /** Default destination of control packets and peers; undefined where none was given. */
  readonly remote: Endpoint | undefined;
  /** Whether it was closed, or has ended by itself. */
  readonly closed: boolean;
  readonly counters: TransportCounters;

  /** Control packets. One reader at a time (`busy`); reading goes on when nobody iterates. Ends with the transport. */
  packets(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<ControlPacket>;
  /** Sends one control packet, default to the transport's remote. Errors: `not-found` (peer), `socket`, `timeout`. */
  send(packet: Uint8Array, options?: SendOptions): Promise<void>;
  /**
   * Removes the transport's peers (`transport-closed`), then closes, off the event loop. Errors: `unsupported`
   * (capability `closeTransport`: only with the interface; leaving an `await using` block then does nothing).
   */
  close(): Promise<void>;
}

/** Waits for transports. */
export interface Listener extends AsyncDisposable, AsyncIterable<Transport> {
  readonly protocol: TransportProtocol;
  readonly local: Endpoint;
  /** Stops waiting; transports that were handed out live on. */
  close(): Promise<void>;
}
