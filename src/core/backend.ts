/**
 * What a backend implements: the narrow side of the contract, below validation and bookkeeping.
 *
 * core checks every argument, keeps the peer table (generations, key slots, pending keepalive), makes sure
 * that each peer ends once, and bounds the queues. A backend turns one checked call into requests of its
 * kernel, and the kernel's notifications into {@link BackendEvent}s. It imports core; core imports no backend.
 */
import type { Capabilities } from "./capabilities.ts";
import type { DcoError } from "./errors.ts";
import type { Maybe } from "./maybe.ts";
import type {
  CipherName,
  DriverInfo,
  Endpoint,
  InterfaceInfo,
  InterfaceMode,
  Keepalive,
  KeyInfo,
  KeySlot,
  NodeSocket,
  OnExisting,
  PeerStats,
  TransportProtocol,
} from "./model.ts";

/** A checked IP address. IPv4-mapped IPv6 has become IPv4. */
export interface IpAddress {
  readonly family: 4 | 6;
  /** 4 or 16 bytes in network order. */
  readonly bytes: Uint8Array;
  /** Canonical text (RFC 5952). */
  readonly text: string;
}

/** A checked endpoint. */
export interface IpEndpoint extends IpAddress {
  readonly port: number;
  /** 0 means none. */
  readonly scopeId: number;
}

/** A checked address with a prefix length. */
export interface IpPrefix extends IpAddress {
  /** In bits. */
  readonly length: number;
}

/** Options of one platform, checked by the backend's own rules and passed through. */
export type Extras = Readonly<Record<string, unknown>>;

/** Checked `createInterface` options. */
export interface CreateInterfaceRequest {
  readonly mode: InterfaceMode;
  readonly name: string | undefined;
  readonly onExisting: OnExisting;
  readonly deleteOnClose: boolean | undefined;
  readonly extras: Extras;
}

/** Checked `adoptInterface` options. */
export interface AdoptInterfaceRequest {
  readonly name: string;
  /** What the caller says it is. A backend that cannot ask needs it, one that can checks it (both `invalid`). */
  readonly mode: InterfaceMode | undefined;
  readonly role: "owner" | "observer";
  readonly peers: "keep" | "flush";
  readonly deleteOnClose: boolean;
  readonly extras: Extras;
}

/** A checked route. */
export interface RouteRequest {
  readonly destination: IpPrefix;
  readonly via: IpAddress | undefined;
  readonly metric: number | undefined;
}

/** Checked `configure` argument; undefined means "leave as it is". */
export interface ConfigureRequest {
  readonly addresses: readonly IpPrefix[] | undefined;
  readonly mtu: number | undefined;
  readonly up: boolean | undefined;
  readonly routes: readonly RouteRequest[] | undefined;
  readonly bypass: readonly IpAddress[] | undefined;
}

/** Checked `openTransport` options. */
export interface OpenTransportRequest {
  readonly protocol: TransportProtocol;
  /** Undefined with an adopted socket, or where only a remote was given: any address of its family. */
  readonly local: IpEndpoint | undefined;
  readonly remote: IpEndpoint | undefined;
  readonly dualStack: boolean;
  readonly adopt: { readonly fd: number; readonly ownership: "keep" | "take" } | undefined;
  /** Over TCP, instead of `adopt`. */
  readonly adoptNode?: NodeSocket | undefined;
  /** What the caller has read of the adopted TCP socket: first in the stream. The array is the backend's. */
  readonly head?: Uint8Array | undefined;
  readonly queueLimit: number;
  readonly receiveBuffer: number;
  readonly extras: Extras;
}

/** Checked `listen` options. */
export interface ListenRequest {
  readonly protocol: TransportProtocol;
  readonly local: IpEndpoint;
  readonly dualStack: boolean;
  readonly queueLimit: number;
  readonly backlog: number;
  readonly extras: Extras;
}

/** The changeable fields of a peer, checked; undefined means "leave as it is" (or, when adding, "none"). */
export interface PeerFields {
  readonly remote: IpEndpoint | undefined;
  readonly local: IpAddress | undefined;
  /** Of `setPeer`: the unspecified address takes away what is there. The same for the other family. */
  readonly vpn4: Uint8Array | undefined;
  readonly vpn6: Uint8Array | undefined;
  readonly routes: readonly IpPrefix[] | undefined;
  readonly keepalive: Keepalive | "off" | undefined;
  readonly txId: number | undefined;
}

/** Checked `addPeer` options; keepalive is not among them, core arms it with the first key. */
export interface AddPeerRequest extends PeerFields {
  readonly id: number;
  readonly replace: boolean;
}

/** A checked key. The byte arrays are the caller's: copy once into the request, and zero that copy. */
export interface KeyRequest {
  readonly slot: KeySlot;
  readonly id: number;
  readonly cipher: CipherName;
  readonly encryptKey: Uint8Array;
  readonly encryptNonceTail: Uint8Array;
  readonly decryptKey: Uint8Array;
  readonly decryptNonceTail: Uint8Array;
}

/** A peer as the kernel has it. Without capability `readPeers` only the id counts. */
export interface BackendPeer {
  readonly id: number;
  readonly remote: Endpoint | undefined;
  readonly local: Endpoint | undefined;
  readonly vpn4: string | undefined;
  readonly vpn6: string | undefined;
  /** Undefined where the kernel does not tell. */
  readonly keepalive: Keepalive | "off" | undefined;
  readonly txId: number | undefined;
}

/** Counters of a peer as the kernel has them. */
export type BackendStats = Omit<PeerStats, "generation">;

/** Why the kernel says that a peer ended. */
export type NativeDeleteReason =
  | "teardown"
  | "userspace"
  | "expired"
  | "transport-error"
  | "transport-disconnect"
  | "unknown";

/** What a kernel tells, in its order. */
export type BackendEvent =
  | {
      readonly type: "peer-deleted";
      readonly peer: number;
      readonly reason: NativeDeleteReason;
      /** It is not certain that the event is about this interface: core asks the kernel. */
      readonly doubt?: boolean;
      readonly finalStats?: BackendStats;
    }
  | {
      readonly type: "peer-floated";
      readonly peer: number;
      readonly remote: Endpoint;
      readonly doubt?: boolean;
    }
  | {
      readonly type: "key-exhausted";
      readonly peer: number;
      readonly keyId: number;
      readonly doubt?: boolean;
    }
  | { readonly type: "rekey-advised"; readonly peer: number }
  | { readonly type: "link"; readonly up: boolean }
  | { readonly type: "interface-removed" }
  | { readonly type: "permission-lost"; readonly message: string }
  | { readonly type: "overflow"; readonly lost: number | undefined }
  | { readonly type: "unknown"; readonly native: number; readonly detail: string };

/** Takes a kernel's events, one at a time; never throws. */
export type BackendEventSink = (event: BackendEvent) => void;

/** What a transport hands up. */
export interface BackendTransportHandlers {
  /** One whole packet; the array is the receiver's to keep. */
  onPacket(data: Uint8Array, from: Endpoint): void;
  /** The transport has ended by itself; `error` is undefined at an orderly end. */
  onEnd(error: Error | undefined): void;
}

/** A backend's transport. */
export interface BackendTransport {
  readonly protocol: TransportProtocol;
  readonly local: Endpoint | undefined;
  readonly remote: Endpoint | undefined;
  /** Family of the socket: an IPv6 one with `dualStack` takes IPv4 peers too. */
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  /** Starts reading. Called once, in the tick in which the transport was handed over. */
  start(handlers: BackendTransportHandlers): void;
  /** Sends one control packet; without `to` to the remote. Errors: `socket`, `timeout`. */
  send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void>;
  /** Packets that the kernel dropped for want of room; undefined where it does not tell. */
  droppedKernel(): bigint | undefined;
  /**
   * Closes off the event loop. Its peers are gone by then. Idempotent. Without capability `closeTransport` it is
   * called only for one that nobody got (an aborted `openTransport`), that has ended, or whose interface closes.
   */
  close(): Promise<void>;
}

/** A backend's listener. */
export interface BackendListener {
  readonly local: Endpoint;
  /** Starts accepting. Called once; `onEnd` as in {@link BackendTransportHandlers}. */
  start(onTransport: (transport: BackendTransport) => void, onEnd: (error: Error | undefined) => void): void;
  /** Stops accepting; transports that were handed over live on. Idempotent. */
  close(): Promise<void>;
}

/**
 * What became of one of many requests: undefined when it was done, the error when it was not, `later` where it has to
 * be made by itself, and nothing was tried.
 */
export type Outcome = DcoError | "later" | undefined;

/** How many requests are made together. The answers have to fit a buffer of the kernel's. */
export const MOST_AT_ONCE = 64;

/** A backend's interface. Requests of one peer never overlap; those of different peers may. */
export interface BackendInterface {
  readonly name: string;
  readonly index: number;
  readonly mode: InterfaceMode;
  /** Whether `createInterface` made it (else it was there). */
  readonly created: boolean;
  /** What this interface can do, where that is less than the driver's. */
  readonly capabilities?: Capabilities;
  /** Becomes `dco.extras`. */
  readonly extras?: object;

  /**
   * Starts events. Called once; peers that are there already are asked for afterwards.
   *
   * The end of every peer that was added comes as one `peer-deleted`, after all else about that peer, removals by
   * `removePeer` included (`userspace`): where the kernel sends none, the backend does.
   */
  start(sink: BackendEventSink): Promise<void>;
  /** What cannot be applied before there is a link is kept, and `openTransport`, which makes it, applies it. */
  configure(request: ConfigureRequest, signal: AbortSignal | undefined): Promise<void>;
  /** Whether packets can flow: up, and with carrier. */
  isLinkUp(): Promise<boolean>;

  /** Errors: `busy` (address in use), `socket`, `timeout`. */
  openTransport(request: OpenTransportRequest, signal: AbortSignal | undefined): Promise<BackendTransport>;
  /** Errors as `openTransport`. */
  listen(request: ListenRequest): Promise<BackendListener>;

  // What may be over when the call returns saves the promises of every quick call.
  /** Errors: `exists` (of a VPN address, say), `socket`. */
  addPeer(request: AddPeerRequest, transport: BackendTransport): Maybe<void>;
  /** Errors: `not-found`. */
  setPeer(id: number, request: PeerFields): Maybe<void>;
  /**
   * Off the event loop where the kernel takes long. Where the kernel gives final counters with the peer's end
   * (`finalStats`), that event is handed over before this resolves. Where it spoils the transport
   * (`peerEndsTransport`), core closes the transport after it.
   */
  removePeer(id: number): Promise<void>;
  /** A peer has ended, whoever ended it, and no other has its id yet: what the backend added for it goes. */
  peerEnded?(id: number): void;
  /** Fails with `not-found`. Where the kernel cannot be asked it is answered from what was done and heard. */
  peer(id: number): Maybe<BackendPeer>;
  /** All peers; without capability `listPeers` only those of this process. */
  peers(): Promise<BackendPeer[]>;
  /** Counters of all peers. */
  stats(): Promise<BackendStats[]>;

  /** What the slot held is replaced. Errors: `not-found` (peer), `unsupported` (cipher). */
  installKey(peer: number, key: KeyRequest): Maybe<void>;
  /** Errors: `not-found` (peer, or nothing in the secondary slot). */
  swapKeys(peer: number): Maybe<void>;
  /** An empty slot is no error. Errors: `not-found` (peer). */
  deleteKey(peer: number, slot: KeySlot): Maybe<void>;
  /** What the slots hold; undefined where the kernel does not tell. */
  keys(peer: number): Maybe<KeyInfo[] | undefined>;

  /**
   * Up to {@link MOST_AT_ONCE} requests in one turn of the event loop, each about another peer, where the kernel answers
   * at once. All is over when it returns, with an outcome for each. Without these core makes one request at a time.
   */
  addPeersNow?(
    items: readonly { readonly request: AddPeerRequest; readonly transport: BackendTransport }[],
  ): readonly Outcome[];
  /** `installKey` for many, as `addPeersNow`. */
  installKeysNow?(items: readonly { readonly id: number; readonly key: KeyRequest }[]): readonly Outcome[];
  /** `swapKeys` for many, as `addPeersNow`. */
  swapKeysNow?(items: readonly { readonly id: number }[]): readonly Outcome[];

  /** Stops events, and deletes the interface if told to. Off the event loop. Idempotent. */
  close(deleteInterface: boolean): Promise<void>;
}

/** The rules of arguments that differ by platform. */
export interface BackendRules {
  /** What is wrong with this interface name, or undefined. */
  interfaceNameProblem(name: string): string | undefined;
  /** Options of this platform alone, by verb: field name to "what is wrong with this value, or undefined". */
  readonly extras: {
    /** Of `createInterface`. */
    readonly createInterface?: ExtraRules;
    /** Of `adoptInterface`. */
    readonly adoptInterface?: ExtraRules;
    /** Of `listInterfaces`, `deleteInterface` and `cleanUp`. */
    readonly listInterfaces?: ExtraRules;
    /** Of `openTransport`. */
    readonly openTransport?: ExtraRules;
    /** Of `listen`. */
    readonly listen?: ExtraRules;
  };
}

/** Checks of one verb's platform options. */
export type ExtraRules = Readonly<Record<string, (value: unknown) => string | undefined>>;

/** A backend's driver. */
export interface BackendDriver {
  readonly info: DriverInfo;
  readonly capabilities: Capabilities;
  readonly rules: BackendRules;
  /** Makes an interface, or takes one over as `onExisting` says. Errors: `exists`, `not-found`, `busy`. */
  createInterface(
    request: CreateInterfaceRequest,
    signal: AbortSignal | undefined,
  ): Promise<BackendInterface>;
  /** Errors: `not-found`, `invalid` (another kind, or another mode than was said). */
  adoptInterface(request: AdoptInterfaceRequest, signal: AbortSignal | undefined): Promise<BackendInterface>;
  /** All of the driver's kind, whoever made them. */
  listInterfaces(extras: Extras): Promise<InterfaceInfo[]>;
  /**
   * Errors: `not-found`, `invalid` (another kind).
   *
   * @param index delete only the one with this index: another may have taken the name (then `not-found`)
   */
  deleteInterface(name: string, extras: Extras, index?: number): Promise<void>;
  /** Releases what the driver itself holds; its interfaces are closed by then. Idempotent. */
  close(): Promise<void>;
}
