/**
 * What the requests of each family look like, for error messages and the wire trace.
 */
import type { MessageKinds } from "./netlink/describe.ts";
import { genlKinds, rtnlKinds } from "./netlink/kinds.ts";
import { OVPN_KIND } from "./ovpn/describe.ts";

/** A family's name in error messages, and its message types. */
export interface FamilyFormat {
  readonly name: string;
  readonly kinds: MessageKinds;
}

export const RTNL_FORMAT: FamilyFormat = { name: "rtnetlink", kinds: rtnlKinds };

/** The controller of generic netlink. */
export const CTRL_FORMAT: FamilyFormat = { name: "nlctrl", kinds: genlKinds(new Map()) };

/** The in-tree family, whose number the kernel chose. */
export function ovpnFormat(family: number): FamilyFormat {
  return { name: "ovpn", kinds: genlKinds(new Map([[family, OVPN_KIND]])) };
}
