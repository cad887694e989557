/**
 * rtnetlink: links (network interfaces).
 */

import { decodeAttributes } from "./attributes.ts";
import type { MessageBuilder } from "./builder.ts";
import { NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST } from "./constants.ts";
import type { MessageLayout } from "./extack.ts";
import type { NetlinkMessage } from "./message.ts";
import { regionOf } from "./region.ts";
import { RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK, rtnlAttributes } from "./rtnl.ts";
import type { AttributeTable } from "./table.ts";

/** Bytes of ifinfomsg: family u8, pad u8, type u16, index s32, flags u32, change mask u32. */
export const LINK_HEADER = 16;

/** Interface flags (linux/if.h). */
export const IFF_UP = 0x1;
export const IFF_RUNNING = 0x40;
export const IFF_LOWER_UP = 0x10000;

/**
 * IFLA_EXT_MASK: leave out the statistics of IPv6 and of virtual functions. Virtual functions themselves are left
 * out because their bit (0x1) is not set.
 */
const RTEXT_FILTER_SKIP_STATS = 0x8;

/** Names of IFLA_OPERSTATE, by number (RFC 2863). */
const OPERSTATES = [
  "unknown",
  "not-present",
  "down",
  "lower-layer-down",
  "testing",
  "dormant",
  "up",
] as const;

/** The operational state of a link. */
export type OperationalState = (typeof OPERSTATES)[number];

/** IFLA_INFO_DATA of the kinds `ovpn` and `ovpn-dco`. */
const OVPN_DATA = { mode: { number: 1, type: "u8" } } as const satisfies AttributeTable;

/** Attributes of a link (IFLA_*): those that the codec reads or writes. */
export const LINK = {
  name: { number: 3, type: "string" },
  mtu: { number: 4, type: "u32" },
  operstate: { number: 16, type: "u8" },
  info: {
    number: 18,
    type: "nest",
    table: {
      kind: { number: 1, type: "string" },
      // What is inside depends on the kind.
      data: { number: 2, type: "bytes", min: 0, max: 0xffff },
    },
  },
  netnsPid: { number: 19, type: "u32" },
  alias: { number: 20, type: "string" },
  netnsFd: { number: 28, type: "u32" },
  extMask: { number: 29, type: "u32" },
  carrier: { number: 33, type: "u8" },
  linkNetnsid: { number: 37, type: "s32" },
  groMaxSize: { number: 58, type: "u32" },
} as const satisfies AttributeTable;

/** For `attributePath` of link requests; inside of `info.data` it knows the attributes of ovpn. */
export const LINK_LAYOUT: MessageLayout = {
  header: LINK_HEADER,
  table: {
    ...LINK,
    info: {
      ...LINK.info,
      table: { ...LINK.info.table, data: { number: 2, type: "nest", table: OVPN_DATA } },
    },
  },
};

/**
 * What `newLink` creates. It has no alias, because the kernel ignores one in a creation: set it with `setLink`
 * by the same name in the same send, so that no interface without its owner's marker is ever left behind.
 */
export interface NewLink {
  /** Left out: the kernel numbers one by its own pattern. */
  readonly name?: string | undefined;
  /** `ovpn`, or `ovpn-dco` for the legacy module. */
  readonly kind: string;
  /** IFLA_OVPN_MODE: 0 point to point, 1 multi-peer. */
  readonly ovpnMode?: number | undefined;
  readonly mtu?: number | undefined;
  /** Create it in this network namespace, by an open descriptor. */
  readonly netnsFd?: number | undefined;
}

/** What `setLink` changes; fields that are left out stay as they are. */
export interface LinkChange {
  readonly up?: boolean | undefined;
  /** The new name. */
  readonly name?: string | undefined;
  readonly mtu?: number | undefined;
  /** An empty string removes it. */
  readonly alias?: string | undefined;
  /** Move it to the network namespace of an open descriptor, or of a process. */
  readonly netnsFd?: number | undefined;
  readonly netnsPid?: number | undefined;
  /** Bytes of the largest packet that received ones are merged to; Linux before 5.19 passes over it. */
  readonly groMaxSize?: number | undefined;
}

/** Which link a request is about. */
export type LinkSelector = { readonly index: number } | { readonly name: string };

/** A link as RTM_NEWLINK describes it; in RTM_DELLINK it is what is gone. */
export interface LinkInfo {
  readonly index: number;
  readonly name: string;
  /** IFF_*. */
  readonly flags: number;
  /** Administratively up. */
  readonly up: boolean;
  readonly running: boolean;
  /** The driver reports a carrier. */
  readonly lowerUp: boolean;
  readonly operstate: OperationalState;
  /** Undefined where the kernel does not say (notifications of old kernels). */
  readonly carrier: boolean | undefined;
  readonly mtu: number | undefined;
  /** Such as `ovpn`; undefined for links without one, such as loopback. */
  readonly kind: string | undefined;
  /** 0 point to point, 1 multi-peer; undefined for other kinds, and for `ovpn-dco`, which does not tell. */
  readonly ovpnMode: number | undefined;
  readonly alias: string | undefined;
  /** The id of the network namespace that the link's lower side is in. */
  readonly linkNetnsId: number | undefined;
}

/** Appends RTM_NEWLINK that creates a link; a name that exists is refused with EEXIST. */
export function newLink(builder: MessageBuilder, sequence: number, link: NewLink): void {
  const flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  beginLink(builder, RTM_NEWLINK, flags, sequence, 0, 0, 0);
  if (link.name !== undefined) builder.string(LINK.name.number, link.name);
  if (link.mtu !== undefined) builder.u32(LINK.mtu.number, link.mtu);
  if (link.netnsFd !== undefined) builder.u32(LINK.netnsFd.number, link.netnsFd);
  const info = builder.beginNest(LINK.info.number);
  builder.string(LINK.info.table.kind.number, link.kind);
  if (link.ovpnMode !== undefined) {
    const data = builder.beginNest(LINK.info.table.data.number);
    builder.u8(OVPN_DATA.mode.number, link.ovpnMode);
    builder.endNest(data);
  }
  builder.endNest(info);
  builder.endMessage();
}

/**
 * Appends RTM_NEWLINK that changes a link.
 *
 * @param link its index, or its name; to give it a new name it takes the index
 */
export function setLink(
  builder: MessageBuilder,
  sequence: number,
  link: number | { readonly name: string },
  change: LinkChange,
): void {
  const index = typeof link === "number" ? link : 0;
  const flags = change.up === true ? IFF_UP : 0;
  const mask = change.up === undefined ? 0 : IFF_UP;
  beginLink(builder, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, sequence, index, flags, mask);
  if (typeof link !== "number") builder.string(LINK.name.number, link.name);
  else if (change.name !== undefined) builder.string(LINK.name.number, change.name);
  if (change.mtu !== undefined) builder.u32(LINK.mtu.number, change.mtu);
  // The kernel takes the alias by its length, without NUL.
  if (change.alias !== undefined) builder.data(LINK.alias.number, Buffer.from(change.alias));
  if (change.netnsFd !== undefined) builder.u32(LINK.netnsFd.number, change.netnsFd);
  if (change.netnsPid !== undefined) builder.u32(LINK.netnsPid.number, change.netnsPid);
  if (change.groMaxSize !== undefined) builder.u32(LINK.groMaxSize.number, change.groMaxSize);
  builder.endMessage();
}

/** Appends RTM_DELLINK. */
export function deleteLink(builder: MessageBuilder, sequence: number, link: LinkSelector): void {
  const index = "index" in link ? link.index : 0;
  beginLink(builder, RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, sequence, index, 0, 0);
  if ("name" in link) builder.string(LINK.name.number, link.name);
  builder.endMessage();
}

/** Appends RTM_GETLINK of one link: one message for `decodeLink`, then an acknowledgement; or ENODEV. */
export function getLink(builder: MessageBuilder, sequence: number, link: LinkSelector): void {
  const index = "index" in link ? link.index : 0;
  beginLink(builder, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, sequence, index, 0, 0);
  builder.u32(LINK.extMask.number, RTEXT_FILTER_SKIP_STATS);
  if ("name" in link) builder.string(LINK.name.number, link.name);
  builder.endMessage();
}

/** Appends a dump of all links, without virtual functions. */
export function dumpLinks(builder: MessageBuilder, sequence: number): void {
  beginLink(builder, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, sequence, 0, 0, 0);
  builder.u32(LINK.extMask.number, RTEXT_FILTER_SKIP_STATS);
  builder.endMessage();
}

/** Reads RTM_NEWLINK, or RTM_DELLINK in a notification. */
export function decodeLink(message: NetlinkMessage): LinkInfo {
  const from = rtnlAttributes(message, [RTM_NEWLINK, RTM_DELLINK], LINK_HEADER, "link");
  const flags = message.view.getUint32(message.start + 8, true);
  const got = decodeAttributes(LINK, message, from, "link");
  const kind = got.info?.kind;
  return {
    index: message.view.getInt32(message.start + 4, true),
    name: got.name ?? "",
    flags,
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_RUNNING) !== 0,
    lowerUp: (flags & IFF_LOWER_UP) !== 0,
    operstate: OPERSTATES[got.operstate ?? 0] ?? "unknown",
    carrier: got.carrier === undefined ? undefined : got.carrier !== 0,
    mtu: got.mtu,
    kind,
    ovpnMode: kind === "ovpn" || kind === "ovpn-dco" ? ovpnMode(got.info?.data) : undefined,
    alias: got.alias,
    linkNetnsId: got.linkNetnsid,
  };
}

function ovpnMode(data: Uint8Array | undefined): number | undefined {
  if (data === undefined) return undefined;
  const region = regionOf(data);
  return decodeAttributes(OVPN_DATA, region, region.start, "link.info.data").mode;
}

/** nlmsghdr and ifinfomsg. */
function beginLink(
  builder: MessageBuilder,
  type: number,
  flags: number,
  sequence: number,
  index: number,
  linkFlags: number,
  change: number,
): void {
  builder.beginMessage(type, flags, sequence);
  builder.word(0);
  builder.word(index);
  builder.word(linkFlags);
  builder.word(change);
}
