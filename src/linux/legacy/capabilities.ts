/**
 * What the out-of-tree module `ovpn-dco-v2` can do. Numbers from its source (drivers/net/ovpn-dco) and from running it.
 */
import type { Capabilities } from "../../core/capabilities.ts";
import { eitherMode } from "../../core/either-mode.ts";
import { CIPHERS, type InterfaceMode } from "../../core/model.ts";

/** An OpenVPN control packet fits a UDP datagram. */
const MAX_CONTROL_PACKET = 65507;

/** Room that the module keeps for headers: 4 opcode, 4 packet id, 16 tag, 8 UDP, 40 IPv6. */
const HEADROOM = 72;

/** @param mode of one interface; without it, what at least one mode can do */
export function legacyCapabilities(mode?: InterfaceMode): Capabilities {
  if (mode === undefined) return eitherMode(legacyCapabilities("p2p"), legacyCapabilities("multipeer"));
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
    readKeys: false,
    replacePeer: true,
    setRemote: false,
    setVpn: false,
    peerLocalAddress: true,
    asymmetricPeerId: false,
    peerRoutes: true,
    bypassRoutes: true,
    routeMetric: true,
    disarmKeepalive: true,
    keepaliveWhenIdle: true,
    floatEvent: "poll",
    // Any packet with a peer's id moves it, before it is decrypted.
    hostMoves: [4, 6],
    floatAuthenticated: false,
    keyExhaustedEvent: false,
    rekeyAdvisedEvent: false,
    finalStats: false,
    eventQueue: undefined,
    linkStats: true,
    packetStats: true,
    countsPings: true,
    readPeers: true,
    // A dump walks the table of multi-peer interfaces only.
    listPeers: mode === "multipeer",
    replayProtection: "always",
    sourceCheck: ["multipeer"],
    linkFollowsPeer: false,
    linkDown: true,
    systemInterface: true,
    tunDevice: false,
    survivesProcess: true,
    peersSurviveProcess: true,
    adoptInterface: true,
    observe: true,
    createInterface: true,
    mtu: { min: 68, max: 65535 - HEADROOM, default: 1500 - HEADROOM },
    errorText: false,
    namespaces: true,
    // Over UDP the mark decides on the route, but is not on the packet that a firewall sees.
    socketMark: ["udp", "tcp"],
    bindToDevice: ["tcp"],
  };
}
