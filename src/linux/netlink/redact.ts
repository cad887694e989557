/**
 * A message's bytes in hexadecimal for a trace, with secrets left out.
 *
 * What the tables mark as secret is hidden; so is everything that cannot be told from a secret: a nest of
 * secrets that is not as its table says, the rest of a malformed message of a family that has secrets,
 * attributes that it does not know, and the payload of an unknown family.
 */

import { NLMSG_ERROR, NLMSG_HEADER, NLMSG_MIN_TYPE } from "./constants.ts";
import type { MessageKinds } from "./describe.ts";
import type { NetlinkMessage } from "./message.ts";
import { AttributeReader } from "./reader.ts";
import type { Region } from "./region.ts";
import type { ContainerShape, Shape } from "./table.ts";
import { isContainer, shapeWithin } from "./table.ts";

/** Start and end of hidden bytes, in the datagram. */
type Span = readonly [start: number, end: number];

/** The whole message, nlmsghdr included: two digits a byte, and `**` for a hidden one. */
export function redactedHex(message: NetlinkMessage, kinds: MessageKinds): string {
  const { bytes, start, end } = message;
  const first = start - NLMSG_HEADER;
  const digits = Buffer.from(bytes.buffer, bytes.byteOffset + first, end - first).toString("hex");
  let shown = "";
  let at = first;
  for (const [from, to] of secretSpans(message, kinds)) {
    shown += digits.slice((at - first) * 2, (from - first) * 2) + "**".repeat(to - from);
    at = to;
  }
  return shown + digits.slice((at - first) * 2);
}

/** The hidden spans, in order and apart. */
function secretSpans(message: NetlinkMessage, kinds: MessageKinds): Span[] {
  const { view, start, end, type } = message;
  let region: Region = message;
  let kind = kinds(type);
  let payload = start;
  if (type < NLMSG_MIN_TYPE) {
    // The kernel returns a refused request in its answer, keys and all, unless the socket has NETLINK_CAP_ACK.
    payload = start + 4 + NLMSG_HEADER;
    if (type !== NLMSG_ERROR || end <= payload) return [];
    kind = kinds(view.getUint16(start + 8, true));
    const length = view.getUint32(start + 4, true);
    if (length >= NLMSG_HEADER && start + 4 + length < end) region = { ...region, end: start + 4 + length };
  }
  if (kind === undefined) return [[payload, end]];
  const spans: Span[] = [];
  const from = payload + kind.layout.header;
  if (from < region.end) collect({ type: "nest", table: kind.layout.table }, region, from, spans);
  return spans;
}

/** Adds the spans of a container's secrets, in order. */
function collect(parent: ContainerShape, region: Region, from: number, spans: Span[]): void {
  if (!hasSecrets(parent)) return;
  if (holdsSecrets(parent) && !isAsDeclared(parent, region, from)) {
    spans.push([from, region.end]);
    return;
  }
  const reader = new AttributeReader(region, from);
  try {
    while (reader.next()) {
      const shape = shapeWithin(parent, reader.type);
      if (shape === undefined) spans.push([reader.offset, reader.end]);
      else if (isContainer(shape)) collect(shape, reader, reader.start, spans);
      else if (isSecret(shape)) spans.push([reader.start, reader.end]);
    }
  } catch {
    spans.push([Math.max(from, reader.end), region.end]);
  }
}

/** Whether every attribute is one of the table's, with a size that it allows. */
function isAsDeclared(parent: ContainerShape, region: Region, from: number): boolean {
  const reader = new AttributeReader(region, from);
  try {
    while (reader.next()) {
      const shape = shapeWithin(parent, reader.type);
      if (shape?.type !== "bytes" || reader.length < shape.min || reader.length > shape.max) return false;
    }
    return true;
  } catch {
    return false;
  }
}

function isSecret(shape: Shape): boolean {
  return shape.type === "bytes" && shape.secret === true;
}

/** Whether attributes of the container itself are secret. */
function holdsSecrets(shape: ContainerShape): boolean {
  return shape.type === "nest" ? Object.values(shape.table).some(isSecret) : isSecret(shape.element);
}

/** Whether a secret can stand anywhere inside. */
function hasSecrets(shape: Shape): boolean {
  if (shape.type === "nest") return Object.values(shape.table).some(hasSecrets);
  return shape.type === "array" || shape.type === "map" ? hasSecrets(shape.element) : isSecret(shape);
}
