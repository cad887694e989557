/**
 * What the three rtnetlink objects (links, addresses, routes) share.
 */

import { invalid } from "../../core/errors.ts";
import { NLMSG_HEADER } from "./constants.ts";
import type { NetlinkMessage } from "./message.ts";
import { malformed } from "./region.ts";

/** Address families as rtnetlink numbers them on Linux. */
export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 10;

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;

/** Legacy multicast groups: the bits of sockaddr_nl.nl_groups. */
export const RTMGRP_LINK = 0x1;
export const RTMGRP_IPV4_IFADDR = 0x10;
export const RTMGRP_IPV4_ROUTE = 0x40;
export const RTMGRP_IPV6_IFADDR = 0x100;
export const RTMGRP_IPV6_ROUTE = 0x400;

/** The family of an address by its length. */
export function familyOf(address: Uint8Array): number {
  return address.length === 16 ? AF_INET6 : AF_INET;
}

/** Four u8 fields of a fixed header as one word, the first in the lowest byte. */
export function octets(what: string, a: number, b: number, c = 0, d = 0): number {
  if ((a & 0xff) !== a || (b & 0xff) !== b || (c & 0xff) !== c || (d & 0xff) !== d) {
    throw invalid(what, `${a}, ${b}, ${c}, ${d}: not all from 0 to 255`);
  }
  return a | (b << 8) | (c << 16) | (d << 24);
}

/** Checks a message's type and that it holds its fixed header; returns where its attributes start. */
export function rtnlAttributes(
  message: NetlinkMessage,
  types: readonly number[],
  header: number,
  what: string,
): number {
  if (!types.includes(message.type)) throw malformed(what, `message of type ${message.type}`);
  const size = message.end - message.start;
  if (size < header) throw malformed(what, `${size + NLMSG_HEADER} bytes`);
  return message.start + header;
}
