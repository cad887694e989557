/**
 * The out-of-tree module `ovpn-dco-v2` for the backend.
 */
import type { ModuleCodec } from "../codec.ts";
import { describeLegacyRefusal } from "./errors.ts";
import { LEGACY_FAMILY, LEGACY_KIND, LEGACY_LINK_KIND } from "./messages.ts";
import { decodeLegacyCounters, decodeLegacyNotification, decodeLegacyPeer } from "./replies.ts";
import {
  delKey,
  delPeer,
  dumpPeers,
  getPeer,
  modeProbe,
  newKey,
  newPeer,
  setPeer,
  swapKeys,
} from "./requests.ts";

export const LEGACY_CODEC: ModuleCodec = {
  family: LEGACY_FAMILY,
  linkKind: LEGACY_LINK_KIND,
  kind: LEGACY_KIND,
  sockets: "streamed",
  releasesAtOnce: false,
  mergesReceived: false,
  peerNew: newPeer,
  peerSet: setPeer,
  peerGet: getPeer,
  peerDump: dumpPeers,
  peerDel: delPeer,
  keyNew: newKey,
  keySwap: swapKeys,
  keyDel: delKey,
  modeProbe,
  decodePeer: decodeLegacyPeer,
  decodeCounters: decodeLegacyCounters,
  decodeNotification: decodeLegacyNotification,
  describeRefusal: describeLegacyRefusal,
};
