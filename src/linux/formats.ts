/**
 * What the requests of the module's family look like, for error messages and the wire trace.
 */
import { genlKinds } from "../netlink/codec/kinds.ts";
import type { FamilyFormat } from "../netlink/formats.ts";
import { OVPN_KIND } from "./ovpn/describe.ts";

/** The in-tree family, whose number the kernel chose. */
export function ovpnFormat(family: number): FamilyFormat {
  return { name: "ovpn", kinds: genlKinds(new Map([[family, OVPN_KIND]])) };
}
