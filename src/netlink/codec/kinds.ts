/**
 * What the wire trace knows of rtnetlink and of the generic netlink controller.
 */

import { ADDRESS_LAYOUT } from "./address.ts";
import type { MessageKind } from "./describe.ts";
import { CTRL_LAYOUT, NLCTRL } from "./genl.ts";
import { LINK_LAYOUT } from "./link.ts";
import { ROUTE_LAYOUT } from "./route.ts";
import {
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELROUTE,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWROUTE,
} from "./rtnl.ts";

const RTNL: Readonly<Record<number, MessageKind>> = {
  [RTM_NEWLINK]: { name: "new-link", layout: LINK_LAYOUT },
  [RTM_DELLINK]: { name: "del-link", layout: LINK_LAYOUT },
  [RTM_GETLINK]: { name: "get-link", layout: LINK_LAYOUT },
  [RTM_NEWADDR]: { name: "new-addr", layout: ADDRESS_LAYOUT },
  [RTM_DELADDR]: { name: "del-addr", layout: ADDRESS_LAYOUT },
  [RTM_GETADDR]: { name: "get-addr", layout: ADDRESS_LAYOUT },
  [RTM_NEWROUTE]: { name: "new-route", layout: ROUTE_LAYOUT },
  [RTM_DELROUTE]: { name: "del-route", layout: ROUTE_LAYOUT },
  [RTM_GETROUTE]: { name: "get-route", layout: ROUTE_LAYOUT },
};

const CONTROLLER: MessageKind = {
  name: "nlctrl",
  layout: CTRL_LAYOUT,
  commands: { newFamily: 1, getFamily: 3, getPolicy: 10 },
};

/** The kinds on a NETLINK_ROUTE socket. */
export function rtnlKinds(type: number): MessageKind | undefined {
  return RTNL[type];
}

/** The kinds on a NETLINK_GENERIC socket: the controller, and families by the ids they were resolved to. */
export function genlKinds(
  families: ReadonlyMap<number, MessageKind>,
): (type: number) => MessageKind | undefined {
  return (type) => (type === NLCTRL ? CONTROLLER : families.get(type));
}
