/**
 * rtnetlink: the addresses of links.
 */

import { decodeAttributes } from "./attributes.ts";
import type { MessageBuilder } from "./builder.ts";
import {
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
} from "./constants.ts";
import type { MessageLayout } from "./extack.ts";
import type { NetlinkMessage } from "./message.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  familyOf,
  octets,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
  rtnlAttributes,
} from "./rtnl.ts";
import type { AttributeTable } from "./table.ts";

/** Bytes of ifaddrmsg: family u8, prefix length u8, flags u8, scope u8, interface index u32. */
export const ADDRESS_HEADER = 8;

/** Address flags (linux/if_addr.h). */
export const IFA_F_NODAD = 0x02;
export const IFA_F_DADFAILED = 0x08;
export const IFA_F_TENTATIVE = 0x40;
export const IFA_F_PERMANENT = 0x80;
export const IFA_F_NOPREFIXROUTE = 0x200;

/** Attributes of an address (IFA_*): those that the codec reads or writes. */
export const ADDRESS = {
  /** The prefix's address: of a point-to-point address the other end's. */
  address: { number: 1, type: "ip" },
  /** The interface's own address. */
  local: { number: 2, type: "ip" },
  flags: { number: 8, type: "u32" },
} as const satisfies AttributeTable;

/** For `attributePath` of address requests. */
export const ADDRESS_LAYOUT: MessageLayout = { header: ADDRESS_HEADER, table: ADDRESS };

/** What `newAddress` assigns and `deleteAddress` takes away. */
export interface AddressRequest {
  /** The interface's index. */
  readonly index: number;
  /** The interface's own address: 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly prefixLength: number;
  /** Of a point-to-point address: the other end's, which the prefix length then belongs to. */
  readonly peer?: Uint8Array | undefined;
  /** IFA_F_*, such as IFA_F_NODAD for IPv6. */
  readonly flags?: number | undefined;
  /** RT_SCOPE_*; 0 (global) when left out. */
  readonly scope?: number | undefined;
}

/** An address as RTM_NEWADDR describes it; in RTM_DELADDR it is what is gone. */
export interface AddressInfo {
  readonly index: number;
  /** The interface's own address: 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly prefixLength: number;
  /** The other end's address; undefined unless it differs from the interface's own. */
  readonly peer: Uint8Array | undefined;
  /** IFA_F_*. */
  readonly flags: number;
  readonly scope: number;
}

/**
 * Appends RTM_NEWADDR.
 *
 * @param onExisting `fail`: EEXIST when the interface has the address; `replace`: its flags are changed
 */
export function newAddress(
  builder: MessageBuilder,
  sequence: number,
  address: AddressRequest,
  onExisting: "fail" | "replace" = "fail",
): void {
  const flags = NLM_F_CREATE | (onExisting === "fail" ? NLM_F_EXCL : NLM_F_REPLACE);
  appendAddress(builder, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | flags, sequence, address);
}

/** Appends RTM_DELADDR; EADDRNOTAVAIL when the interface does not have it. */
export function deleteAddress(builder: MessageBuilder, sequence: number, address: AddressRequest): void {
  appendAddress(builder, RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, sequence, address);
}

/**
 * Appends a dump of addresses.
 *
 * @param index only this interface's; honoured by the kernel only on a socket with NETLINK_GET_STRICT_CHK, so
 *   filter the answer as well
 */
export function dumpAddresses(
  builder: MessageBuilder,
  sequence: number,
  index = 0,
  family: number = AF_UNSPEC,
): void {
  builder.beginMessage(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  builder.word(family);
  builder.word(index);
  builder.endMessage();
}

/** Reads RTM_NEWADDR, or RTM_DELADDR in a notification; undefined for one without an IP address. */
export function decodeAddress(message: NetlinkMessage): AddressInfo | undefined {
  const from = rtnlAttributes(message, [RTM_NEWADDR, RTM_DELADDR], ADDRESS_HEADER, "address");
  const { view, start } = message;
  const family = view.getUint8(start);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const got = decodeAttributes(ADDRESS, message, from, "address");
  const own = got.local ?? got.address;
  if (own === undefined) return undefined;
  return {
    index: view.getUint32(start + 4, true),
    address: own,
    prefixLength: view.getUint8(start + 1),
    peer: got.address !== undefined && Buffer.compare(own, got.address) !== 0 ? got.address : undefined,
    // The header's field holds only the lower eight.
    flags: got.flags ?? view.getUint8(start + 2),
    scope: view.getUint8(start + 3),
  };
}

function appendAddress(
  builder: MessageBuilder,
  type: number,
  messageFlags: number,
  sequence: number,
  { index, address, prefixLength, peer = address, flags = 0, scope = 0 }: AddressRequest,
): void {
  builder.beginMessage(type, messageFlags, sequence);
  builder.word(octets("address", familyOf(address), prefixLength, flags & 0xff, scope));
  builder.word(index);
  builder.data(ADDRESS.local.number, address);
  builder.data(ADDRESS.address.number, peer);
  if (flags > 0xff) builder.u32(ADDRESS.flags.number, flags);
  builder.endMessage();
}
