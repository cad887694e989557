/**
 * What the requests of each family look like, for error messages and the wire trace.
 */
import type { ModuleCodec } from "./codec.ts";
import type { MessageKinds } from "./netlink/describe.ts";
import { genlKinds, rtnlKinds } from "./netlink/kinds.ts";

/** A family's name in error messages, and its message types. */
export interface FamilyFormat {
  readonly name: string;
  readonly kinds: MessageKinds;
}

export const RTNL_FORMAT: FamilyFormat = { name: "rtnetlink", kinds: rtnlKinds };

/** The controller of generic netlink. */
export const CTRL_FORMAT: FamilyFormat = { name: "nlctrl", kinds: genlKinds(new Map()) };

/** A module's family, whose number the kernel chose. */
export function moduleFormat({ family: name, kind }: ModuleCodec, family: number): FamilyFormat {
  return { name, kinds: genlKinds(new Map([[family, kind]])) };
}
