/**
 * What FreeBSD's `if_ovpn` can do. Numbers from its source (sys/net/if_ovpn.c).
 */
import type { Capabilities } from "../core/capabilities.ts";
import { CIPHERS } from "../core/model.ts";

/** What differs between kernels, found at run time. */
export interface FreebsdFacts {
  /** if_ovpn of July 2025 and later (FreeBSD 15.0): peers float and are told of, and have a local address. */
  readonly floats: boolean;
  /** The sysctl net.link.openvpn.replay_protection, which is 0 unless somebody sets it. */
  readonly replayProtection: boolean;
}

/** An OpenVPN control packet fits a UDP datagram. */
const MAX_CONTROL_PACKET = 65507;

/** The ring has 32 places, of which one stays free. */
const EVENT_RING = 31;

/** 65535, less 20 IPv4, 8 UDP and 24 OpenVPN. */
const MAX_MTU = 65483;

export function freebsdCapabilities({ floats, replayProtection }: FreebsdFacts): Capabilities {
  return {
    modes: ["p2p", "multipeer"],
    transports: ["udp"],
    listeners: [],
    maxTransports: 1,
    dualStack: true,
    anyRemote: true,
    adoptSocket: true,
    localAddressKnown: true,
    closeTransport: true,
    peerEndsTransport: [],
    maxControlPacket: MAX_CONTROL_PACKET,
    ciphers: CIPHERS,
    deleteKey: true,
    readKeys: false,
    replacePeer: true,
    setRemote: false,
    setVpn: false,
    peerLocalAddress: floats,
    asymmetricPeerId: false,
    peerRoutes: true,
    bypassRoutes: true,
    routeMetric: false,
    disarmKeepalive: false,
    keepaliveWhenIdle: false,
    floatEvent: floats ? "event" : "none",
    hostMoves: [4],
    floatAuthenticated: true,
    keyExhaustedEvent: false,
    rekeyAdvisedEvent: true,
    finalStats: true,
    eventQueue: EVENT_RING,
    linkStats: false,
    packetStats: true,
    countsPings: true,
    readPeers: false,
    listPeers: true,
    replayProtection: replayProtection ? "enabled" : "disabled",
    sourceCheck: [],
    linkFollowsPeer: false,
    linkDown: true,
    systemInterface: true,
    tunDevice: false,
    survivesProcess: true,
    peersSurviveProcess: true,
    adoptInterface: true,
    observe: false,
    createInterface: true,
    mtu: { min: 576, max: MAX_MTU, default: 1428 },
    errorText: false,
    namespaces: false,
    socketMark: [],
    bindToDevice: [],
  };
}
