/**
 * Names the attribute of a request that an extended acknowledgement points at.
 */

import type { ExtendedAck } from "./acknowledgement.ts";
import { NLMSG_HEADER } from "./constants.ts";
import { AttributeReader } from "./reader.ts";
import type { Region } from "./region.ts";
import { regionOf } from "./region.ts";
import type { AttributeTable, Shape } from "./table.ts";
import { entriesOf, joinPath } from "./table.ts";

/** Where a message's attributes begin, and which they are. */
export interface MessageLayout {
  /** Bytes of the family's own header behind nlmsghdr: 4 for generic netlink. */
  readonly header: number;
  readonly table: AttributeTable;
}

/**
 * The path of the attribute that was refused or is missing, such as `peer.remote-port`; an attribute that the
 * table does not have is `#` and its number, such as `peer.#99`.
 *
 * @param request the request from its nlmsghdr on, as it was sent
 * @returns undefined when the kernel pointed nowhere, or not at an attribute
 */
export function attributePath(
  request: Uint8Array,
  extack: ExtendedAck,
  layout: MessageLayout,
): string | undefined {
  const region = regionOf(request);
  const from = NLMSG_HEADER + layout.header;
  const top: Shape = { type: "nest", table: layout.table };
  if (extack.missingType !== undefined) {
    const nest = extack.missingNest;
    if (nest === undefined) return joinPath("", nameIn(top, extack.missingType));
    const found = locate(region, from, top, nest);
    return found && joinPath(found.path, nameIn(found.shape, extack.missingType));
  }
  return extack.offset === undefined ? undefined : locate(region, from, top, extack.offset)?.path;
}

/** The innermost attribute that `offset` lies in: its path, and what it is. */
function locate(
  region: Region,
  from: number,
  parent: Shape,
  offset: number,
  path = "",
): { path: string; shape: Shape | undefined } | undefined {
  const reader = new AttributeReader(region, from);
  while (reader.next()) {
    if (offset < reader.offset || offset >= reader.end) continue;
    const name = nameIn(parent, reader.type);
    const here = name.startsWith("[") ? path + name : joinPath(path, name);
    const shape = shapeIn(parent, reader.type);
    const isHere = offset < reader.start || !holdsAttributes(shape);
    return (isHere ? undefined : locate(reader, reader.start, shape, offset, here)) ?? { path: here, shape };
  }
  return undefined;
}

function holdsAttributes(
  shape: Shape | undefined,
): shape is Extract<Shape, { type: "nest" | "array" | "map" }> {
  return shape?.type === "nest" || shape?.type === "array" || shape?.type === "map";
}

function shapeIn(parent: Shape | undefined, number: number): Shape | undefined {
  if (parent?.type === "nest") return entriesOf(parent.table)[number]?.spec;
  return parent?.type === "array" || parent?.type === "map" ? parent.element : undefined;
}

function nameIn(parent: Shape | undefined, number: number): string {
  if (parent?.type === "array" || parent?.type === "map") return `[${number}]`;
  const entry = parent?.type === "nest" ? entriesOf(parent.table)[number] : undefined;
  return entry?.name ?? `#${number}`;
}
