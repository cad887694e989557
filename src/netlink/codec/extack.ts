/**
 * Names the attribute of a request that an extended acknowledgement points at.
 */

import type { ExtendedAck } from "./acknowledgement.ts";
import { NLMSG_HEADER } from "./constants.ts";
import { AttributeReader } from "./reader.ts";
import type { Region } from "./region.ts";
import { regionOf } from "./region.ts";
import type { AttributeTable, ContainerShape, Shape } from "./table.ts";
import { isContainer, pathWithin, shapeWithin } from "./table.ts";

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
  const { missingType, missingNest, offset } = extack;
  const region = regionOf(request);
  const from = NLMSG_HEADER + layout.header;
  const top: ContainerShape = { type: "nest", table: layout.table };
  if (missingType === undefined) {
    return offset === undefined ? undefined : locate(region, from, top, offset)?.path;
  }
  if (missingNest === undefined) return pathWithin(top, missingType, "");
  const nest = locate(region, from, top, missingNest);
  return nest && pathWithin(isContainer(nest.shape) ? nest.shape : undefined, missingType, nest.path);
}

/** The innermost attribute that `offset` lies in: its path, and what it is. */
function locate(
  region: Region,
  from: number,
  parent: ContainerShape,
  offset: number,
  path = "",
): { path: string; shape: Shape | undefined } | undefined {
  const reader = new AttributeReader(region, from);
  while (reader.next()) {
    if (offset < reader.offset || offset >= reader.end) continue;
    const shape = shapeWithin(parent, reader.type);
    const here = { path: pathWithin(parent, reader.type, path), shape };
    if (offset < reader.start || !isContainer(shape)) return here;
    return locate(reader, reader.start, shape, offset, here.path) ?? here;
  }
  return undefined;
}
