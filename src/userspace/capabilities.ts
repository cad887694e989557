/**
 * What the userspace backend can do.
 */
import type { Capabilities } from "../core/capabilities.ts";
import { CIPHERS } from "../core/model.ts";

/** What differs between machines and interfaces, found at run time. */
export interface UserspaceFacts {
  /** The interface is a TUN device; else its packets are a stream. */
  readonly tun: boolean;
  /** This platform has TUN devices. */
  readonly tunDevice: boolean;
  /** UDP and TCP sockets can be had of the system, and not of Node alone. */
  readonly nativeSockets: boolean;
  /** OpenSSL, as this Node has it, knows ChaCha20-Poly1305. */
  readonly chacha20: boolean;
}

/** An OpenVPN control packet fits a UDP datagram. */
const MAX_CONTROL_PACKET = 65507;

/** Room for headers as Linux' `ovpn` keeps it, so that both ends of a tunnel have one default. */
const HEADROOM = 84;

export function userspaceCapabilities({
  tun,
  tunDevice,
  nativeSockets,
  chacha20,
}: UserspaceFacts): Capabilities {
  return {
    modes: ["p2p", "multipeer"],
    transports: ["udp", "tcp"],
    listeners: ["udp", "tcp"],
    maxTransports: Number.MAX_SAFE_INTEGER,
    dualStack: true,
    anyRemote: true,
    // Node gives a socket back only by closing it.
    adoptSocket: nativeSockets,
    localAddressKnown: true,
    closeTransport: true,
    peerEndsTransport: [],
    maxControlPacket: MAX_CONTROL_PACKET,
    ciphers: CIPHERS.filter((cipher) => cipher !== "chacha20-poly1305" || chacha20),
    deleteKey: true,
    readKeys: true,
    replacePeer: true,
    setRemote: true,
    setVpn: true,
    // Node's sockets cannot choose the source address of one datagram.
    peerLocalAddress: nativeSockets,
    asymmetricPeerId: true,
    peerRoutes: true,
    bypassRoutes: tun,
    routeMetric: tun,
    disarmKeepalive: true,
    keepaliveWhenIdle: true,
    floatEvent: "event",
    hostMoves: [4, 6],
    floatAuthenticated: true,
    keyExhaustedEvent: true,
    rekeyAdvisedEvent: false,
    finalStats: true,
    eventQueue: Number.MAX_SAFE_INTEGER,
    linkStats: true,
    packetStats: true,
    countsPings: false,
    readPeers: true,
    listPeers: true,
    replayProtection: "always",
    sourceCheck: ["multipeer"],
    linkFollowsPeer: true,
    linkDown: true,
    systemInterface: tun,
    tunDevice,
    survivesProcess: false,
    peersSurviveProcess: false,
    adoptInterface: false,
    observe: false,
    createInterface: true,
    mtu: { min: 68, max: 65535 - HEADROOM, default: 1500 - HEADROOM },
    // There is no kernel: all texts are dcokit's own.
    errorText: false,
    namespaces: false,
    socketMark: [],
    bindToDevice: [],
  };
}
