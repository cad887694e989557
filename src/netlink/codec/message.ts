/**
 * Splits a received datagram into messages.
 */

import { align4, NLM_F_DUMP_INTR, NLM_F_MULTI, NLMSG_HEADER, NLMSG_MIN_TYPE } from "./constants.ts";
import type { Region } from "./region.ts";
import { malformed, regionOf } from "./region.ts";

/** One received message; as a region it is the payload behind nlmsghdr. */
export interface NetlinkMessage extends Region {
  /** Control messages are below NLMSG_MIN_TYPE; else the generic netlink family id, or RTM_*. */
  readonly type: number;
  readonly flags: number;
  /** The request's sequence number; in a notification 0, or that of the request that caused it. */
  readonly sequence: number;
  /** The port id of the requester; in a notification 0, or that of the process that caused it. */
  readonly portId: number;
}

/**
 * The messages of one datagram, without a copy: they are valid as long as `datagram` is not received into
 * again.
 *
 * @param datagram what one recv returned, cut to its length
 * @throws DcoError `protocol` for a header that is cut off, a length below 16 or beyond the datagram, and for
 *   one to three stray bytes behind the last message. A length that is not a multiple of four is allowed, as
 *   netlink does; the next message then starts at the next multiple.
 */
export function parseDatagram(datagram: Uint8Array): NetlinkMessage[] {
  return parseMessages(regionOf(datagram), datagram.length);
}

/**
 * The same for the first `end` bytes of a receive buffer: the one region serves for all that is received there.
 */
export function parseMessages({ bytes, view }: Region, end: number): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  let at = 0;
  while (at < end) {
    if (end - at < NLMSG_HEADER) throw malformed("message", `${end - at} bytes where a header should be`);
    const length = view.getUint32(at, true);
    if (length < NLMSG_HEADER) throw malformed("message", `length ${length} is below its header`);
    if (length > end - at) throw malformed("message", `length ${length} of ${end - at} bytes`);
    messages.push({
      bytes,
      view,
      start: at + NLMSG_HEADER,
      end: at + length,
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      portId: view.getUint32(at + 12, true),
    });
    at += align4(length);
  }
  return messages;
}

/** True for NOOP, ERROR, DONE, OVERRUN and the other numbers that netlink keeps for itself. */
export function isControl(message: NetlinkMessage): boolean {
  return message.type < NLMSG_MIN_TYPE;
}

/** True for a part of an answer that ends with NLMSG_DONE. */
export function isMultipart(message: NetlinkMessage): boolean {
  return (message.flags & NLM_F_MULTI) !== 0;
}

/** True when the dump changed while it was read: its parts may be inconsistent, so it must be read again. */
export function isInterrupted(message: NetlinkMessage): boolean {
  return (message.flags & NLM_F_DUMP_INTR) !== 0;
}
