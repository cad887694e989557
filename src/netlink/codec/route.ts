/**
 * rtnetlink: routes.
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
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  rtnlAttributes,
} from "./rtnl.ts";
import type { AttributeTable } from "./table.ts";

/**
 * Bytes of rtmsg: family, destination length, source length, TOS, table, protocol, scope, type (u8 each), and
 * flags u32.
 */
export const ROUTE_HEADER = 12;

/** Tables that always exist. */
export const RT_TABLE_UNSPEC = 0;
export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;

/** Who made the route (rtm_protocol). */
export const RTPROT_UNSPEC = 0;
export const RTPROT_KERNEL = 2;
export const RTPROT_BOOT = 3;
export const RTPROT_STATIC = 4;

export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;
export const RT_SCOPE_NOWHERE = 255;

/** The gateway is reachable on the link although no address of it covers the gateway. */
export const RTNH_F_ONLINK = 4;
/** Of the answer to a lookup: cloned from a route of the table. */
export const RTM_F_CLONED = 0x200;
/** In a lookup: answer with the table that the route was found in. */
export const RTM_F_LOOKUP_TABLE = 0x1000;

/** Route types by name (rtm_type). */
export const ROUTE_TYPES = {
  unspecified: 0,
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
  nat: 10,
} as const;

/** What happens to packets that follow the route. */
export type RouteType = keyof typeof ROUTE_TYPES;

const ROUTE_TYPE_NAMES = Object.keys(ROUTE_TYPES) as RouteType[];

/** Attributes of a route (RTA_*): those that the codec reads or writes. */
export const ROUTE = {
  destination: { number: 1, type: "ip" },
  interface: { number: 4, type: "u32" },
  gateway: { number: 5, type: "ip" },
  metric: { number: 6, type: "u32" },
  source: { number: 7, type: "ip" },
  metrics: { number: 8, type: "nest", table: { mtu: { number: 2, type: "u32" } } },
  table: { number: 15, type: "u32" },
  mark: { number: 16, type: "u32" },
} as const satisfies AttributeTable;

/** For `attributePath` of route requests. */
export const ROUTE_LAYOUT: MessageLayout = { header: ROUTE_HEADER, table: ROUTE };

/** What `newRoute` adds and `deleteRoute` removes. */
export interface RouteRequest {
  /** The destination's prefix: 4 or 16 bytes, host bits zero (else EINVAL). */
  readonly destination: Uint8Array;
  /** 0 makes it the default route. */
  readonly prefixLength: number;
  /** Of the destination's family. */
  readonly gateway?: Uint8Array | undefined;
  /** Take the gateway as reachable on the interface. */
  readonly onlink?: boolean | undefined;
  /** The interface's index. */
  readonly interface?: number | undefined;
  readonly metric?: number | undefined;
  /** The main table when left out. */
  readonly table?: number | undefined;
  readonly mtu?: number | undefined;
  /** The preferred source address. */
  readonly source?: Uint8Array | undefined;
  /** RTPROT_*; static when left out. In a removal it must match unless 0. */
  readonly protocol?: number | undefined;
  /** `unicast` when left out. */
  readonly type?: RouteType | undefined;
  /** RT_SCOPE_*; link for an IPv4 route without gateway, else universe. */
  readonly scope?: number | undefined;
}

/** What `getRoute` looks up. */
export interface RouteLookup {
  /** 4 or 16 bytes. */
  readonly destination: Uint8Array;
  /** As if sent by a socket with this SO_MARK. */
  readonly mark?: number | undefined;
  /** As if bound to this interface. */
  readonly interface?: number | undefined;
  readonly source?: Uint8Array | undefined;
}

/** A route as RTM_NEWROUTE describes it; in RTM_DELROUTE it is what is gone. */
export interface RouteInfo {
  /** AF_INET or AF_INET6. */
  readonly family: number;
  /** Undefined for a default route. */
  readonly destination: Uint8Array | undefined;
  readonly prefixLength: number;
  readonly gateway: Uint8Array | undefined;
  readonly onlink: boolean;
  readonly interface: number | undefined;
  readonly metric: number | undefined;
  readonly table: number;
  readonly mtu: number | undefined;
  readonly source: Uint8Array | undefined;
  readonly protocol: number;
  /** A number for types that the codec does not know. */
  readonly type: RouteType | number;
  readonly scope: number;
  /** RTNH_F_* and RTM_F_*. */
  readonly flags: number;
}

/**
 * Appends RTM_NEWROUTE.
 *
 * @param onExisting `fail`: EEXIST for a route with the same destination, table and metric; `replace`: it is
 *   replaced
 */
export function newRoute(
  builder: MessageBuilder,
  sequence: number,
  route: RouteRequest,
  onExisting: "fail" | "replace" = "fail",
): void {
  const flags = NLM_F_CREATE | (onExisting === "fail" ? NLM_F_EXCL : NLM_F_REPLACE);
  appendRoute(builder, RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | flags, sequence, route);
}

/** Appends RTM_DELROUTE; ESRCH when there is none that matches. */
export function deleteRoute(builder: MessageBuilder, sequence: number, route: RouteRequest): void {
  appendRoute(builder, RTM_DELROUTE, NLM_F_REQUEST | NLM_F_ACK, sequence, route);
}

/**
 * Appends a dump of the routes of a family; filter the answer by table and interface.
 *
 * @param ifindex only routes through this interface; honoured by the kernel only on a socket with
 *   NETLINK_GET_STRICT_CHK
 */
export function dumpRoutes(
  builder: MessageBuilder,
  sequence: number,
  family: number = AF_UNSPEC,
  ifindex?: number,
): void {
  builder.beginMessage(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  builder.word(family);
  builder.word(0);
  builder.word(0);
  if (ifindex !== undefined) builder.u32(ROUTE.interface.number, ifindex);
  builder.endMessage();
}

/** Appends a lookup of the route that packets to an address take: one message for `decodeRoute`. */
export function getRoute(builder: MessageBuilder, sequence: number, lookup: RouteLookup): void {
  const { destination, mark, source } = lookup;
  builder.beginMessage(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_ACK, sequence);
  const sourceLength = source === undefined ? 0 : source.length * 8;
  builder.word(octets("route", familyOf(destination), destination.length * 8, sourceLength));
  builder.word(0);
  // IPv6 always answers with the table, and refuses the flag.
  builder.word(destination.length === 4 ? RTM_F_LOOKUP_TABLE : 0);
  builder.data(ROUTE.destination.number, destination);
  if (source !== undefined) builder.data(RTA_SRC, source);
  if (lookup.interface !== undefined) builder.u32(ROUTE.interface.number, lookup.interface);
  if (mark !== undefined) builder.u32(ROUTE.mark.number, mark);
  builder.endMessage();
}

/** In a lookup the source address is RTA_SRC, in a route RTA_PREFSRC. */
const RTA_SRC = 2;

/** Reads RTM_NEWROUTE, or RTM_DELROUTE in a notification; undefined for families other than IP (MPLS). */
export function decodeRoute(message: NetlinkMessage): RouteInfo | undefined {
  const from = rtnlAttributes(message, [RTM_NEWROUTE, RTM_DELROUTE], ROUTE_HEADER, "route");
  const { view, start } = message;
  const family = view.getUint8(start);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const got = decodeAttributes(ROUTE, message, from, "route");
  const flags = view.getUint32(start + 8, true);
  const type = view.getUint8(start + 7);
  return {
    family,
    destination: got.destination,
    prefixLength: view.getUint8(start + 1),
    gateway: got.gateway,
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    interface: got.interface,
    metric: got.metric,
    // The header's field holds only numbers up to 255.
    table: got.table ?? view.getUint8(start + 4),
    mtu: got.metrics?.mtu,
    source: got.source,
    protocol: view.getUint8(start + 5),
    type: ROUTE_TYPE_NAMES[type] ?? type,
    scope: view.getUint8(start + 6),
    flags,
  };
}

function appendRoute(
  builder: MessageBuilder,
  messageType: number,
  messageFlags: number,
  sequence: number,
  route: RouteRequest,
): void {
  const { destination, prefixLength, gateway, metric, mtu, source } = route;
  const isDelete = messageType === RTM_DELROUTE;
  const table = route.table ?? RT_TABLE_MAIN;
  const protocol = route.protocol ?? (isDelete ? RTPROT_UNSPEC : RTPROT_STATIC);
  const type = ROUTE_TYPES[route.type ?? (isDelete ? "unspecified" : "unicast")];
  const scope = route.scope ?? defaultScope(route, isDelete);
  builder.beginMessage(messageType, messageFlags, sequence);
  builder.word(octets("route", familyOf(destination), prefixLength));
  builder.word(octets("route", table > 0xff ? RT_TABLE_UNSPEC : table, protocol, scope, type));
  builder.word(route.onlink === true ? RTNH_F_ONLINK : 0);
  if (prefixLength > 0) builder.data(ROUTE.destination.number, destination);
  if (table > 0xff) builder.u32(ROUTE.table.number, table);
  if (gateway !== undefined) builder.data(ROUTE.gateway.number, gateway);
  if (route.interface !== undefined) builder.u32(ROUTE.interface.number, route.interface);
  if (metric !== undefined) builder.u32(ROUTE.metric.number, metric);
  if (source !== undefined) builder.data(ROUTE.source.number, source);
  if (mtu !== undefined) {
    const metrics = builder.beginNest(ROUTE.metrics.number);
    builder.u32(ROUTE.metrics.table.mtu.number, mtu);
    builder.endNest(metrics);
  }
  builder.endMessage();
}

/**
 * The kernel checks an IPv4 next hop against the scope: without a gateway the destination is on the link. A
 * removal with "nowhere" matches any scope. IPv6 ignores it.
 */
function defaultScope(route: RouteRequest, isDelete: boolean): number {
  if (isDelete) return RT_SCOPE_NOWHERE;
  const type = route.type ?? "unicast";
  const onLink = type === "unicast" && route.gateway === undefined && route.destination.length === 4;
  return onLink ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}
