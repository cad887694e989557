/**
 * What the requests of the module's family look like, for error messages and the wire trace.
 */
import { genlKinds } from "../netlink/codec/kinds.ts";
import type { FamilyFormat } from "../netlink/formats.ts";
import type { ModuleCodec } from "./codec.ts";

/** A module's family, whose number the kernel chose. */
export function moduleFormat({ family: name, kind }: ModuleCodec, family: number): FamilyFormat {
  return { name, kinds: genlKinds(new Map([[family, kind]])) };
}
