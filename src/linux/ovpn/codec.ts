/**
 * The in-tree module `ovpn` for the backend.
 */
import type { ModuleCodec } from "../codec.ts";
import { describeRefusal } from "../ovpn-errors.ts";
import { decodeCounters } from "./counters-reply.ts";
import { OVPN_KIND } from "./describe.ts";
import { OVPN_FAMILY, OVPN_LINK_KIND } from "./messages.ts";
import { decodePeer } from "./peer-reply.ts";
import { decodeKey, decodeNotification } from "./replies.ts";
import {
  keyDel,
  keyGet,
  keyNew,
  keySwap,
  peerDel,
  peerDump,
  peerGet,
  peerNew,
  peerSet,
  vpnProbe,
} from "./requests.ts";

export const OVPN_CODEC: ModuleCodec = {
  family: OVPN_FAMILY,
  linkKind: OVPN_LINK_KIND,
  kind: OVPN_KIND,
  sockets: "framed",
  releasesAtOnce: true,
  mergesReceived: true,
  peerNew,
  peerSet,
  peerGet,
  peerDump,
  peerDel,
  keyNew,
  keySwap,
  keyDel,
  keyGet,
  vpnProbe,
  decodePeer,
  decodeCounters,
  decodeNotification,
  decodeKey,
  describeRefusal,
};
