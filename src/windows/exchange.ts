/**
 * COMPILE-TIME PROOF, NOT A BACKEND: what the mapping in shape.ts stands on, declared and not made.
 */
import type { ConfigureRequest, IpEndpoint, IpPrefix, KeyRequest } from "../core/backend.ts";
import type { Endpoint, InterfaceMode } from "../core/model.ts";

/** Undefined stands for any address of the other's family. */
type LocalAddress = IpEndpoint | undefined;

/** What an IOCTL takes, by name; times are seconds, never -1. */
export interface WindowsRequests {
  SET_MODE: { readonly mode: InterfaceMode };
  NEW_PEER: { readonly local: LocalAddress; readonly remote: IpEndpoint; readonly protocol: "udp" | "tcp" };
  START_VPN: undefined;
  SET_PEER: { readonly interval: number; readonly timeout: number };
  DEL_PEER: undefined;
  SWAP_KEYS: undefined;
  /** In p2p mode the peer id is only what is written on the wire. */
  NEW_KEY: { readonly peer: number; readonly key: KeyRequest };
  MP_START_VPN: { readonly listen: IpEndpoint; readonly ipv6Only: boolean };
  MP_NEW_PEER: {
    readonly peer: number;
    readonly remote: IpEndpoint;
    readonly vpn4: Uint8Array | undefined;
    readonly vpn6: Uint8Array | undefined;
  };
  MP_SET_PEER: { readonly peer: number; readonly interval: number; readonly timeout: number };
  MP_DEL_PEER: { readonly peer: number };
  MP_SWAP_KEYS: { readonly peer: number };
  MP_ADD_IROUTE: { readonly peer: number; readonly prefix: IpPrefix };
  MP_DEL_IROUTE: { readonly prefix: IpPrefix };
  /** -1: all peers. */
  GET_PEER_STATS: { readonly peer: -1 };
  NOTIFY_EVENT: undefined;
}

/** An event of the multi-peer mode. */
export interface WindowsNotification {
  readonly command: number;
  readonly peer: number;
  readonly reason: number;
  readonly address: Endpoint | undefined;
}

/** Bytes only. */
export interface WindowsPeerStats {
  readonly peer: number;
  readonly linkRxBytes: bigint;
  readonly linkTxBytes: bigint;
  readonly vpnRxBytes: bigint;
  readonly vpnTxBytes: bigint;
}

/** What an IOCTL answers where it answers anything. */
export interface WindowsReplies {
  MP_START_VPN: { readonly local: Endpoint };
  GET_PEER_STATS: readonly WindowsPeerStats[];
  NOTIFY_EVENT: WindowsNotification;
}

/** A packet as the device handle gives and takes it: with an address in multi-peer mode, without in p2p. */
export interface WindowsPacket {
  readonly address: Endpoint | undefined;
  readonly data: Uint8Array;
}

/** One exclusive handle of one adapter. Failures are a `DcoError` with the Win32 code as `native.number`. */
export interface WindowsExchange {
  /** An abort cancels the request (CancelIoEx); what the driver had begun is the caller's to undo. */
  ioctl<C extends keyof WindowsRequests>(
    code: C,
    input: WindowsRequests[C],
    signal?: AbortSignal,
  ): Promise<C extends keyof WindowsReplies ? WindowsReplies[C] : undefined>;
  /** One pended ReadFile. */
  read(): Promise<WindowsPacket>;
  write(data: Uint8Array, to: IpEndpoint | undefined): Promise<void>;
  /** Cancels what is pending, closes the handle and opens it again: the only way out of a multi-peer socket. */
  reset(): Promise<void>;
  /** Cancels what is pending and closes the handle, by a deadline. */
  close(): Promise<void>;
}

/** The adapter as a network link: IP Helper, SetupAPI. */
export interface WindowsAdapter {
  /** Waits for the IP interface, which comes a moment after the link. */
  configure(request: ConfigureRequest, signal: AbortSignal | undefined): Promise<void>;
  isLinkUp(): Promise<boolean>;
  setPeerRoutes(peer: number, routes: readonly IpPrefix[]): Promise<void>;
  watch(link: (up: boolean | undefined) => void): () => void;
  remove(): Promise<void>;
}
