/**
 * COMPILE-TIME PROOF, NOT A BACKEND: what the mapping in shape.ts stands on, declared and not made.
 */
import type { BackendTransport, ConfigureRequest, IpPrefix, OpenTransportRequest } from "../core/backend.ts";

/** An address in an nvlist. `port` is the 16 bits of network order, read as a number of the host. */
export interface SockaddrList {
  readonly af: 2 | 28;
  readonly address: Uint8Array;
  readonly port: number;
  readonly scopeid?: number;
}

/** A key direction in an nvlist. `cipher` is case-sensitive. */
export interface KeyList {
  readonly cipher: string;
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
}

/** What SIOCSDRVSPEC takes, by command. */
export interface FreebsdRequests {
  NEW_PEER: {
    readonly peerid: number;
    readonly fd: number;
    readonly remote: SockaddrList;
    readonly local?: SockaddrList;
    readonly vpn_ipv4?: Uint8Array;
    readonly vpn_ipv6?: Uint8Array;
  };
  SET_PEER: { readonly peerid: number; readonly interval: number; readonly timeout: number };
  DEL_PEER: { readonly peerid: number };
  NEW_KEY: {
    readonly peerid: number;
    readonly slot: 0 | 1;
    readonly keyid: number;
    readonly encrypt: KeyList;
    readonly decrypt: KeyList;
  };
  SWAP_KEYS: { readonly peerid: number };
  DEL_KEY: { readonly peerid: number; readonly slot: 0 | 1 };
  START_VPN: undefined;
  SET_IFMODE: { readonly ifmode: number };
}

/** Inner packets or bytes of a peer, both ways. */
export interface InOut {
  readonly in: bigint;
  readonly out: bigint;
}

/** What GET_PKT answers: 0 peer deleted, 1 rotate the key, 2 float. */
export interface FreebsdNotification {
  readonly peerid: number;
  readonly notification: number;
  readonly del_reason?: number;
  readonly packets?: InOut;
  readonly bytes?: InOut;
  readonly address?: SockaddrList;
}

/** What SIOCGDRVSPEC answers, by command. */
export interface FreebsdReplies {
  POLL_PKT: { readonly pending: number };
  /** Undefined at ENOENT: nothing is queued. */
  GET_PKT: FreebsdNotification | undefined;
  /** `peers` is absent where there are none. */
  GET_PEER_STATS: {
    readonly peers?: readonly { readonly peerid: number; readonly packets: InOut; readonly bytes: InOut }[];
  };
}

/** The ioctls of one interface. Synchronous; failures are a `DcoError` by errno, with effect `none`. */
export interface FreebsdExchange {
  set<C extends keyof FreebsdRequests>(command: C, list: FreebsdRequests[C]): void;
  get<C extends keyof FreebsdReplies>(command: C): FreebsdReplies[C];
}

/** A UDP socket, whose domain and type were checked: an AF_LOCAL one panics the kernel. */
export interface FreebsdTransport extends BackendTransport {
  readonly fd: number;
}

/** A route behind a peer. */
export interface PeerRoute {
  readonly prefix: IpPrefix;
  readonly via: Uint8Array | undefined;
}

/** The rest of the system: sockets, and the interface as a network link. */
export interface FreebsdSystem {
  openSocket(request: OpenTransportRequest): Promise<FreebsdTransport>;
  configure(request: ConfigureRequest): Promise<void>;
  isLinkUp(): Promise<boolean>;
  /** A peer's routes: exactly these, each through the peer's VPN address of its family (p2p: the interface). */
  setPeerRoutes(peer: number, routes: readonly PeerRoute[]): void;
  /** Calls `wake` when a socket's descriptor wakes up and on a timer, and tells of the link. */
  watch(wake: () => void, link: (up: boolean | undefined) => void): () => void;
  /** SIOCIFDESTROY, again while it says EBUSY. */
  destroy(): Promise<void>;
}
