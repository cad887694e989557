/**
 * What Windows' `ovpn-dco-win` can do, by version and mode. From its source and its interface header.
 *
 * Keys of epochs, which 2.8 has, are not in the contract: such traffic is `unsupported` in this release.
 */
import type { Capabilities } from "../core/capabilities.ts";
import { eitherMode } from "../core/either-mode.ts";
import { CIPHERS, type InterfaceMode } from "../core/model.ts";

/** What differs between machines, found at run time. */
export interface WindowsFacts {
  /** What GET_VERSION answers; 1.0 at least. */
  readonly version: { readonly major: number; readonly minor: number };
  /** The system's CNG has ChaCha20-Poly1305: Windows 11 and Server 2022. */
  readonly chacha20: boolean;
  /** This process may create adapters. */
  readonly elevated: boolean;
}

/** The largest write; reads may have 2048 bytes. */
const MAX_CONTROL_PACKET = 1500;

/** What Windows takes as the least MTU of IPv4 (RFC 791), and the driver's most. */
const MTU = { min: 576, max: 1500, default: 1500 };

/** @param mode of one interface; without it, what at least one mode can do */
export function windowsCapabilities(facts: WindowsFacts, mode?: InterfaceMode): Capabilities {
  const { version, chacha20, elevated } = facts;
  const atLeast = (major: number, minor: number) =>
    version.major > major || (version.major === major && version.minor >= minor);
  // 2.4 has the mode, but no way to remove a peer, to swap its keys or to hear of its end.
  const hasMultipeer = atLeast(2, 5);
  if (mode === undefined) {
    const p2p = windowsCapabilities(facts, "p2p");
    return hasMultipeer ? eitherMode(p2p, windowsCapabilities(facts, "multipeer")) : p2p;
  }
  const multipeer = mode === "multipeer";
  return {
    modes: hasMultipeer ? ["p2p", "multipeer"] : ["p2p"],
    transports: multipeer ? ["udp"] : ["udp", "tcp"],
    listeners: [],
    maxTransports: 1,
    dualStack: multipeer,
    anyRemote: multipeer,
    adoptSocket: false,
    localAddressKnown: multipeer,
    closeTransport: !multipeer,
    peerEndsTransport: multipeer ? [] : ["udp", "tcp"],
    maxControlPacket: MAX_CONTROL_PACKET,
    ciphers: CIPHERS.filter((cipher) => cipher !== "chacha20-poly1305" || chacha20),
    deleteKey: false,
    readKeys: false,
    replacePeer: multipeer,
    setRemote: false,
    setVpn: false,
    peerLocalAddress: false,
    asymmetricPeerId: false,
    peerRoutes: true,
    bypassRoutes: true,
    routeMetric: true,
    disarmKeepalive: true,
    keepaliveWhenIdle: true,
    floatEvent: multipeer && atLeast(2, 6) ? "event" : "none",
    hostMoves: [4, 6],
    floatAuthenticated: true,
    keyExhaustedEvent: false,
    rekeyAdvisedEvent: false,
    finalStats: false,
    eventQueue: Number.MAX_SAFE_INTEGER,
    // Before 2.7 only the device counts, which is the peer in p2p mode.
    linkStats: !multipeer || atLeast(2, 7),
    packetStats: false,
    countsPings: false,
    readPeers: false,
    // The handle is exclusive: all peers are ours.
    listPeers: true,
    replayProtection: "always",
    sourceCheck: hasMultipeer ? ["multipeer"] : [],
    linkFollowsPeer: false,
    linkDown: false,
    systemInterface: true,
    tunDevice: false,
    survivesProcess: false,
    peersSurviveProcess: false,
    adoptInterface: true,
    observe: false,
    createInterface: elevated,
    mtu: MTU,
    errorText: false,
    namespaces: false,
    socketMark: [],
    bindToDevice: [],
  };
}
