/**
 * The one list of what kernels can and cannot do.
 *
 * A field says what the kernel behind the driver does, as found at run time. A verb that needs a capability
 * which is not there fails at once with `unsupported` and the name of the field. The facts come from the
 * kernels' sources and from running them; docs/contract.md has the table by backend.
 */
import type { CipherName, InterfaceMode, TransportProtocol } from "./model.ts";

/**
 * What a driver, or one interface of it, can do. Plain data.
 *
 * Where the modes differ (Windows, ovpn-dco-v2), the driver's say what at least one mode can do, and the
 * interface's what its own can.
 */
export interface Capabilities {
  /** Modes that interfaces can have. */
  readonly modes: readonly InterfaceMode[];
  /** Protocols of `openTransport`. */
  readonly transports: readonly TransportProtocol[];
  /** Protocols of `listen`. */
  readonly listeners: readonly TransportProtocol[];
  /** Transports that one interface may have at a time. */
  readonly maxTransports: number;
  /** An IPv6 transport that carries IPv4 peers too. */
  readonly dualStack: boolean;
  /** A UDP transport reaches any address. Else only its `remote`, which `openTransport` then needs (Windows p2p). */
  readonly anyRemote: boolean;
  /** `openTransport({ adopt })`: the kernel takes a socket of this process. */
  readonly adoptSocket: boolean;
  /** `transport.local` is known. */
  readonly localAddressKnown: boolean;
  /** `transport.close()` works while the interface lives on (not on Windows in multipeer mode). */
  readonly closeTransport: boolean;
  /** The end of a peer may end its transport: on these protocols. */
  readonly peerEndsTransport: readonly TransportProtocol[];
  /** Largest control packet in bytes. */
  readonly maxControlPacket: number;

  /** Ciphers that the kernel says it has. */
  readonly ciphers: readonly CipherName[];
  /** `deleteKey`. */
  readonly deleteKey: boolean;
  /** `keys()` asks the kernel, so that keys of an adopted interface are known. */
  readonly readKeys: boolean;

  /** `addPeer({ replace: true })` on the same transport. */
  readonly replacePeer: boolean;
  /** `setPeer({ remote })`. */
  readonly setRemote: boolean;
  /** `setPeer({ vpn })`. */
  readonly setVpn: boolean;
  /** `local` of a peer. */
  readonly peerLocalAddress: boolean;
  /** `txId` of a peer. */
  readonly asymmetricPeerId: boolean;
  /** `routes` of a peer. */
  readonly peerRoutes: boolean;
  /** `bypass` of `configure`. */
  readonly bypassRoutes: boolean;
  /** `metric` of a route. */
  readonly routeMetric: boolean;
  /** `setPeer({ keepalive: "off" })` after it was armed. */
  readonly disarmKeepalive: boolean;
  /** Pings are sent only when nothing else was (else every interval). */
  readonly keepaliveWhenIdle: boolean;

  /** `peer-floated`: `event` from the kernel, `poll` by watching the address, `none`: peers never move. */
  readonly floatEvent: "event" | "poll" | "none";
  /**
   * This host may move: data packets leave from the address that it has, over these versions of IP (else from the one
   * that it had when the peer was added).
   */
  readonly hostMoves: readonly (4 | 6)[];
  /** A peer's address moves only after a packet from there was authenticated. */
  readonly floatAuthenticated: boolean;
  /** `key-exhausted` is told by the kernel; else KeySchedule must count. */
  readonly keyExhaustedEvent: boolean;
  /** `rekey-advised` is told by the kernel. */
  readonly rekeyAdvisedEvent: boolean;
  /** `peer-deleted` carries the final counters. */
  readonly finalStats: boolean;
  /** Events that the kernel holds for a slow process; undefined where it is a buffer in bytes. */
  readonly eventQueue: number | undefined;

  /** Counters of OpenVPN packets on the transport. */
  readonly linkStats: boolean;
  /** Packet counters besides bytes. */
  readonly packetStats: boolean;
  /** Pings of the keepalive are counted in the tunnel's counters as well. */
  readonly countsPings: boolean;
  /** `peer()` and `peers()` give what the kernel has. Else they are what this process did. */
  readonly readPeers: boolean;
  /** The kernel tells which peers it has, so that those of an adopted interface are found. */
  readonly listPeers: boolean;

  /** Replayed packets are dropped: always, as a setting that is on now, or not. */
  readonly replayProtection: "always" | "enabled" | "disabled";
  /** Inner source addresses are checked against the peer: in these modes. */
  readonly sourceCheck: readonly InterfaceMode[];
  /** In p2p mode the link is up only while there is a peer. */
  readonly linkFollowsPeer: boolean;
  /** `configure({ up: false })` once the link was up. */
  readonly linkDown: boolean;
  /** The interface is the operating system's, with addresses and routes; else its packets are a stream. */
  readonly systemInterface: boolean;
  /** `createInterface({ device: "tun" })` of the userspace backend: an interface that is the operating system's. */
  readonly tunDevice: boolean;
  /** An interface outlives the process that made it. */
  readonly survivesProcess: boolean;
  /** Peers of such an interface stay when their process dies: the kernel keeps the socket. Else they go with it. */
  readonly peersSurviveProcess: boolean;
  /** `adoptInterface` as owner. */
  readonly adoptInterface: boolean;
  /** `adoptInterface({ role: "observer" })`. */
  readonly observe: boolean;
  /** `createInterface` makes interfaces (else it only opens existing ones). */
  readonly createInterface: boolean;
  /** Limits of the MTU in bytes, and its default. */
  readonly mtu: { readonly min: number; readonly max: number; readonly default: number };
  /** The kernel explains its refusals in text. */
  readonly errorText: boolean;
  /** Linux network namespaces for interfaces and transports. */
  readonly namespaces: boolean;
  /** `mark` of a transport on Linux: on these protocols the data packets have it as well. */
  readonly socketMark: readonly TransportProtocol[];
  /** `device` of a transport on Linux: on these protocols the data packets leave by it as well. */
  readonly bindToDevice: readonly TransportProtocol[];
}

/** The name of a capability. */
export type CapabilityName = keyof Capabilities;
