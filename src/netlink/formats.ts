/**
 * What the requests of each family look like, for error messages and the wire trace.
 */
import type { MessageKinds } from "./codec/describe.ts";
import { genlKinds, rtnlKinds } from "./codec/kinds.ts";

/** A family's name in error messages, and its message types. */
export interface FamilyFormat {
  readonly name: string;
  readonly kinds: MessageKinds;
}

export const RTNL_FORMAT: FamilyFormat = { name: "rtnetlink", kinds: rtnlKinds };

/** The controller of generic netlink. */
export const CTRL_FORMAT: FamilyFormat = { name: "nlctrl", kinds: genlKinds(new Map()) };
