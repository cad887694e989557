/**
 * Messages as plain objects for the wire trace: names instead of numbers, addresses as text, secrets left out.
 *
 * A trace must not disturb what it watches: nothing here throws, whatever the bytes are.
 */

import { EXTACK } from "./acknowledgement.ts";
import {
  align4,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_DUMP_FILTERED,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HEADER,
  NLMSG_MIN_TYPE,
  NLMSG_NOOP,
  NLMSG_OVERRUN,
} from "./constants.ts";
import { describeAttributes } from "./describe-attributes.ts";
import type { MessageLayout } from "./extack.ts";
import type { NetlinkMessage } from "./message.ts";
import { parseDatagram } from "./message.ts";
import { redactedHex } from "./redact.ts";
import { wireName } from "./table.ts";

/** What a trace knows of a message type. */
export interface MessageKind {
  /** Such as `ovpn` or `new-link`. */
  readonly name: string;
  readonly layout: MessageLayout;
  /** Of a generic netlink family: command numbers by name in camel case. */
  readonly commands?: Readonly<Record<string, number>>;
}

/** The kind of a message type; undefined for one that is not known, whose payload is then hidden. */
export type MessageKinds = (type: number) => MessageKind | undefined;

/** A message as the trace shows it; every value can be written as JSON. */
export interface TracedMessage {
  /** Such as `ovpn peer-new`, `error`, `done`; `malformed` for bytes that are no message. */
  readonly message: string;
  readonly flags?: readonly string[];
  readonly sequence?: number;
  readonly portId?: number;
  /** Of an error or the end of a dump: 0 for success, else the negative errno, as on the wire. */
  readonly code?: number;
  /** What the error answers, such as `ovpn peer-new`. */
  readonly request?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Two digits a byte, and `**` for a hidden one. */
  readonly hex: string;
}

/** The messages of a datagram, sent or received. */
export function describeDatagram(datagram: Uint8Array, kinds: MessageKinds): TracedMessage[] {
  let messages: NetlinkMessage[];
  try {
    messages = parseDatagram(datagram);
  } catch {
    // Where one message ends and a key begins is not known.
    return [{ message: "malformed", hex: "**".repeat(datagram.length) }];
  }
  return messages.map((message) => describeMessage(message, kinds));
}

/** One message; see {@link TracedMessage}. */
export function describeMessage(message: NetlinkMessage, kinds: MessageKinds): TracedMessage {
  const { type, sequence, portId } = message;
  const control = type < NLMSG_MIN_TYPE;
  return {
    message: control
      ? (CONTROL_NAMES[type] ?? `control ${type}`)
      : messageName(message, message.start, type, kinds),
    flags: flagNames(message, control),
    sequence,
    portId,
    ...(control ? describeControl(message, kinds) : describePayload(message, kinds(type))),
    hex: redactedHex(message, kinds),
  };
}

const CONTROL_NAMES: Readonly<Record<number, string>> = {
  [NLMSG_NOOP]: "noop",
  [NLMSG_ERROR]: "error",
  [NLMSG_DONE]: "done",
  [NLMSG_OVERRUN]: "overrun",
};

/** The name of the message whose payload starts at `payload`. */
function messageName(message: NetlinkMessage, payload: number, type: number, kinds: MessageKinds): string {
  const kind = kinds(type);
  if (kind === undefined) return `type ${type}`;
  if (kind.commands === undefined || payload >= message.end) return kind.name;
  const command = message.view.getUint8(payload);
  const name = Object.entries(kind.commands).find(([, number]) => number === command)?.[0];
  return `${kind.name} ${name === undefined ? `command ${command}` : wireName(name)}`;
}

function describePayload(message: NetlinkMessage, kind: MessageKind | undefined): Partial<TracedMessage> {
  if (kind === undefined) return {};
  return { attributes: describeAttributes(kind.layout.table, message, message.start + kind.layout.header) };
}

/** NLMSG_ERROR and NLMSG_DONE: their code, and the extended acknowledgement. */
function describeControl(message: NetlinkMessage, kinds: MessageKinds): Partial<TracedMessage> {
  const { view, start, end, type, flags } = message;
  if ((type !== NLMSG_ERROR && type !== NLMSG_DONE) || end - start < 4) return {};
  const code = view.getInt32(start, true);
  const hasExtack = (flags & NLM_F_ACK_TLVS) !== 0;
  const echo = start + 4;
  if (type === NLMSG_DONE) {
    return hasExtack ? { code, attributes: describeAttributes(EXTACK, message, echo) } : { code };
  }
  if (end - echo < NLMSG_HEADER) return { code };
  const capped = (flags & NLM_F_CAPPED) !== 0;
  const request = messageName(
    message,
    capped ? end : echo + NLMSG_HEADER,
    view.getUint16(echo + 4, true),
    kinds,
  );
  if (!hasExtack) return { code, request };
  const length = capped ? NLMSG_HEADER : align4(view.getUint32(echo, true));
  return { code, request, attributes: describeAttributes(EXTACK, message, echo + length) };
}

function flagNames({ flags, type }: NetlinkMessage, control: boolean): string[] {
  const names: string[] = [];
  if ((flags & NLM_F_REQUEST) !== 0) names.push("request");
  if ((flags & NLM_F_MULTI) !== 0) names.push("multi");
  if ((flags & NLM_F_ACK) !== 0) names.push("ack");
  if ((flags & NLM_F_DUMP_INTR) !== 0) names.push("dump-interrupted");
  if ((flags & NLM_F_DUMP_FILTERED) !== 0) names.push("dump-filtered");
  let known = NLM_F_REQUEST | NLM_F_MULTI | NLM_F_ACK | NLM_F_DUMP_INTR | NLM_F_DUMP_FILTERED;
  if (control && (type === NLMSG_ERROR || type === NLMSG_DONE)) {
    if ((flags & NLM_F_CAPPED) !== 0) names.push("capped");
    if ((flags & NLM_F_ACK_TLVS) !== 0) names.push("extack");
    known |= NLM_F_CAPPED | NLM_F_ACK_TLVS;
  } else if ((flags & NLM_F_DUMP) === NLM_F_DUMP) {
    names.push("dump");
    known |= NLM_F_DUMP;
  }
  const rest = flags & ~known;
  return rest === 0 ? names : [...names, `0x${rest.toString(16)}`];
}
