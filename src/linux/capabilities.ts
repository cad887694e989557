/**
 * What the in-tree module `ovpn` can do. Numbers from its source (drivers/net/ovpn) and from running it.
 */
import type { Capabilities } from "../core/capabilities.ts";
import { CIPHERS } from "../core/model.ts";

/** An OpenVPN control packet fits a UDP datagram. */
const MAX_CONTROL_PACKET = 65507;

/** Room that the module keeps for its own headers: 4 opcode, 4 packet id, 16 tag, 20 TCP, 40 IPv6. */
const HEADROOM = 84;

/** @param has71 the kernel knows tx-id and tells of floats (7.1 and later) */
export function ovpnCapabilities(has71: boolean): Capabilities {
  return {
    modes: ["p2p", "multipeer"],
    transports: ["udp", "tcp"],
    listeners: ["tcp"],
    maxTransports: Number.MAX_SAFE_INTEGER,
    dualStack: true,
    anyRemote: true,
    adoptSocket: true,
    localAddressKnown: true,
    closeTransport: true,
    peerEndsTransport: ["tcp"],
    maxControlPacket: MAX_CONTROL_PACKET,
    ciphers: CIPHERS,
    deleteKey: true,
    readKeys: true,
    replacePeer: true,
    setRemote: true,
    setVpn: true,
    peerLocalAddress: true,
    asymmetricPeerId: has71,
    peerRoutes: true,
    bypassRoutes: true,
    routeMetric: true,
    disarmKeepalive: true,
    keepaliveWhenIdle: true,
    floatEvent: has71 ? "event" : "poll",
    hostMoves: [4, 6],
    floatAuthenticated: true,
    keyExhaustedEvent: true,
    rekeyAdvisedEvent: false,
    finalStats: false,
    eventQueue: undefined,
    linkStats: true,
    packetStats: true,
    countsPings: false,
    readPeers: true,
    listPeers: true,
    replayProtection: "always",
    sourceCheck: ["multipeer"],
    linkFollowsPeer: true,
    linkDown: true,
    systemInterface: true,
    tunDevice: false,
    survivesProcess: true,
    peersSurviveProcess: false,
    adoptInterface: true,
    observe: true,
    createInterface: true,
    mtu: { min: 68, max: 65535 - HEADROOM, default: 1500 - HEADROOM },
    errorText: true,
    namespaces: true,
    socketMark: ["udp", "tcp"],
    bindToDevice: ["tcp"],
  };
}
