/**
 * Reads the counters alone of peer-get answers: statistics of thousands of peers are asked for again and again, and
 * what else an answer holds costs more.
 */
import { align4, NLA_HEADER } from "../../netlink/codec/constants.ts";
import { genlAttributes } from "../../netlink/codec/genl.ts";
import type { NetlinkMessage } from "../../netlink/codec/message.ts";
import { attributeLength, attributeType } from "../../netlink/codec/reader.ts";
import { malformed } from "../../netlink/codec/region.ts";
import { OVPN, OVPN_COMMANDS, PEER } from "./messages.ts";
import { u32, wrongSize } from "./peer-reply.ts";

/** A peer's counters since peer-new: of inner packets, and of OpenVPN's, as UDP payload or TCP frame without its length. */
export interface CountersReply {
  readonly id: number;
  readonly vpn: Counters;
  readonly link: Counters;
}

/** Received and sent. */
export interface Counters {
  readonly rxBytes: bigint;
  readonly txBytes: bigint;
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
}

const ID = PEER.id.number;
/** The counters' attributes have consecutive numbers, inner packets first. */
const FIRST = PEER.vpnRxBytes.number;
const COUNT = PEER.linkTxPackets.number - FIRST + 1;

/** Where the values of one answer are gathered. */
const values = new Array<bigint>(COUNT).fill(0n);

/** @throws DcoError `protocol` as `decodePeer` does, for the attributes that it reads */
export function decodeCounters(message: NetlinkMessage): CountersReply {
  const { view, end } = message;
  values.fill(0n);
  let id = -1;
  let at = genlAttributes(message, OVPN_COMMANDS.peerGet);
  while (at < end) {
    const length = attributeLength(view, at, end);
    if (attributeType(view, at) === OVPN.peer.number) id = readPeer(view, at + NLA_HEADER, at + length);
    at += align4(length);
  }
  if (id < 0) throw malformed("peer.id", "missing");
  return { id, vpn: countersFrom(0), link: countersFrom(4) };
}

function readPeer(view: DataView, start: number, end: number): number {
  let id = -1;
  let at = start;
  while (at < end) {
    const length = attributeLength(view, at, end);
    const type = attributeType(view, at);
    const n = type - FIRST;
    if (n >= 0 && n < COUNT) values[n] = counter(view, at + NLA_HEADER, length - NLA_HEADER, type);
    else if (type === ID) id = u32(view, at + NLA_HEADER, length - NLA_HEADER, type);
    at += align4(length);
  }
  return id;
}

function countersFrom(n: number): Counters {
  return {
    rxBytes: values[n] as bigint,
    txBytes: values[n + 1] as bigint,
    rxPackets: values[n + 2] as bigint,
    txPackets: values[n + 3] as bigint,
  };
}

/** The kernel's variable unsigned integer. */
function counter(view: DataView, at: number, size: number, type: number): bigint {
  if (size === 4) {
    const value = view.getUint32(at, true);
    return value === 0 ? 0n : BigInt(value);
  }
  if (size !== 8) throw wrongSize(type, size, "4 or 8");
  return view.getBigUint64(at, true);
}
