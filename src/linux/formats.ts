/**
 * What the requests of each family look like, for error messages.
 */
import { ADDRESS_LAYOUT } from "./netlink/address.ts";
import { CTRL_LAYOUT } from "./netlink/genl.ts";
import { LINK_LAYOUT } from "./netlink/link.ts";
import { ROUTE_LAYOUT } from "./netlink/route.ts";
import { RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE } from "./netlink/rtnl.ts";
import type { FamilyFormat } from "./netlink-socket.ts";
import { OVPN_LAYOUT } from "./ovpn/messages.ts";

/** rtnetlink: four message types belong to each object. */
export const RTNL_FORMAT: FamilyFormat = {
  name: "rtnetlink",
  layout: (request) => {
    const type = Buffer.from(request.buffer, request.byteOffset, request.length).readUInt16LE(4);
    if (type >= RTM_NEWROUTE && type < RTM_NEWROUTE + 4) return ROUTE_LAYOUT;
    if (type >= RTM_NEWADDR && type < RTM_NEWADDR + 4) return ADDRESS_LAYOUT;
    return type >= RTM_NEWLINK && type < RTM_NEWLINK + 4 ? LINK_LAYOUT : undefined;
  },
};

/** The controller of generic netlink. */
export const CTRL_FORMAT: FamilyFormat = { name: "nlctrl", layout: () => CTRL_LAYOUT };

/** The in-tree family. */
export const OVPN_FORMAT: FamilyFormat = { name: "ovpn", layout: () => OVPN_LAYOUT };
