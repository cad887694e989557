/**
 * A message's bytes in hexadecimal for a trace, with secrets left out.
 *
 * What the tables mark as secret is hidden. So is everything that cannot be told from a secret: in a family that
 * has secrets a nest that is not as its table says, and attributes that a table with secrets does not know; and
 * the payload of an unknown family.
 */

import {
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HEADER,
  NLMSG_MIN_TYPE,
} from "./constants.ts";
import type { MessageKind, MessageKinds } from "./describe.ts";
import type { NetlinkMessage } from "./message.ts";
import { AttributeReader } from "./reader.ts";
import type { Region } from "./region.ts";
import type { ContainerShape, Shape } from "./table.ts";
import { expectedSizes, isContainer, shapeWithin } from "./table.ts";

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
  const { start, end, type, flags } = message;
  if (type >= NLMSG_MIN_TYPE) return spansOf(message, kinds(type));
  // Control messages: what they say by themselves is known, and nothing else is shown.
  if (type === NLMSG_ERROR) return (flags & NLM_F_CAPPED) !== 0 ? [] : spansOfEcho(message, kinds);
  const shown = type !== NLMSG_DONE ? start : (flags & NLM_F_ACK_TLVS) !== 0 ? end : start + 4;
  return shown < end ? [[shown, end]] : [];
}

/** The kernel returns a refused request in its answer, keys and all, unless the socket has NETLINK_CAP_ACK. */
function spansOfEcho(message: NetlinkMessage, kinds: MessageKinds): Span[] {
  const { bytes, view, start, end } = message;
  const echo = start + 4;
  const payload = echo + NLMSG_HEADER;
  if (end <= payload) return [];
  const length = view.getUint32(echo, true);
  // An echo that lies about its length goes to the end.
  const isTrue = length >= NLMSG_HEADER && length < end - echo;
  const request = { bytes, view, start: payload, end: isTrue ? echo + length : end };
  return spansOf(request, kinds(view.getUint16(echo + 4, true)));
}

function spansOf(payload: Region, kind: MessageKind | undefined): Span[] {
  const spans: Span[] = [];
  const from = payload.start + (kind?.layout.header ?? 0);
  if (from >= payload.end) return spans;
  if (kind === undefined) return [[from, payload.end]];
  const top: ContainerShape = { type: "nest", table: kind.layout.table };
  if (hasSecrets(top)) collect(top, payload, from, spans);
  return spans;
}

/** Adds the spans of a container's secrets, in order; the container is in a family that has some. */
function collect(parent: ContainerShape, region: Region, from: number, spans: Span[]): void {
  if (!isAsDeclared(parent, region, from)) {
    spans.push([from, region.end]);
    return;
  }
  const reader = new AttributeReader(region, from);
  while (reader.next()) {
    const shape = shapeWithin(parent, reader.type);
    if (shape === undefined) {
      // A later kernel's attribute: it may be a secret where others are.
      if (hasSecrets(parent)) spans.push([reader.offset, reader.end]);
    } else if (isContainer(shape)) collect(shape, reader, reader.start, spans);
    else if (isSecret(shape)) spans.push([reader.start, reader.end]);
  }
}

/**
 * Whether every attribute has a size that the table allows. Bytes that got out of step look like anything, so
 * an unknown attribute next to secrets counts as well.
 */
function isAsDeclared(parent: ContainerShape, region: Region, from: number): boolean {
  const strict = holdsSecrets(parent);
  const reader = new AttributeReader(region, from);
  try {
    while (reader.next()) {
      const shape = shapeWithin(parent, reader.type);
      if (shape === undefined ? strict : expectedSizes(shape, reader.length) !== undefined) return false;
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
