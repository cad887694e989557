/**
 * Generic netlink: its header, and the controller family that resolves names to ids.
 */

import { decodeAttributes } from "./attributes.ts";
import type { MessageBuilder } from "./builder.ts";
import { NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from "./constants.ts";
import type { MessageLayout } from "./extack.ts";
import type { NetlinkMessage } from "./message.ts";
import { POLICY_ATTRIBUTES } from "./policy-table.ts";
import { malformed } from "./region.ts";
import type { AttributeTable } from "./table.ts";

/** Bytes of genlmsghdr: command u8, version u8, reserved u16. */
export const GENL_HEADER = 4;

/** The controller's family id, GENL_ID_CTRL. */
export const NLCTRL = 0x10;
export const CTRL_CMD_NEWFAMILY = 1;
export const CTRL_CMD_GETFAMILY = 3;
export const CTRL_CMD_GETPOLICY = 10;

/** The controller's attributes (enum in linux/genetlink.h). */
export const CTRL = {
  familyId: { number: 1, type: "u16" },
  familyName: { number: 2, type: "string" },
  version: { number: 3, type: "u32" },
  headerSize: { number: 4, type: "u32" },
  maxAttribute: { number: 5, type: "u32" },
  operations: {
    number: 6,
    type: "array",
    element: {
      type: "nest",
      table: { id: { number: 1, type: "u32" }, flags: { number: 2, type: "u32" } },
    },
  },
  groups: {
    number: 7,
    type: "array",
    element: {
      type: "nest",
      table: { name: { number: 1, type: "string" }, id: { number: 2, type: "u32" } },
    },
  },
  /** Policies by number; in each, what an attribute may be, by the attribute's number. */
  policy: {
    number: 8,
    type: "map",
    element: { type: "map", element: { type: "nest", table: POLICY_ATTRIBUTES } },
  },
  /** By command: which policy its do and its dump request follow. */
  operationPolicy: {
    number: 9,
    type: "map",
    element: {
      type: "nest",
      table: { do: { number: 1, type: "u32" }, dump: { number: 2, type: "u32" } },
    },
  },
  operation: { number: 10, type: "u32" },
} as const satisfies AttributeTable;

/** For `attributePath` of the controller's requests. */
export const CTRL_LAYOUT: MessageLayout = { header: GENL_HEADER, table: CTRL };

/** A generic netlink family, as the controller describes it. */
export interface GenlFamily {
  readonly id: number;
  readonly name: string;
  readonly version: number;
  readonly maxAttribute: number;
  /** Request commands with their GENL_* flags; notification-only commands never appear. */
  readonly operations: readonly { readonly id: number; readonly flags: number }[];
  /** Multicast group ids by name. */
  readonly groups: Readonly<Record<string, number>>;
}

/**
 * Appends CTRL_CMD_GETFAMILY by name: the kernel loads the family's module if it can. Answered by one message
 * for `decodeFamily` and an acknowledgement, or by ENOENT.
 */
export function getFamily(builder: MessageBuilder, sequence: number, name: string): void {
  builder.beginMessage(NLCTRL, NLM_F_REQUEST | NLM_F_ACK, sequence);
  builder.genlHeader(CTRL_CMD_GETFAMILY);
  builder.string(CTRL.familyName.number, name);
  builder.endMessage();
}

/**
 * Appends a dump of CTRL_CMD_GETPOLICY (kernel 5.10 and later), for `PolicySet`.
 *
 * @param command only this command's policy; all of the family's without it
 */
export function getPolicy(builder: MessageBuilder, sequence: number, family: number, command?: number): void {
  builder.beginMessage(NLCTRL, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  builder.genlHeader(CTRL_CMD_GETPOLICY);
  builder.u16(CTRL.familyId.number, family);
  if (command !== undefined) builder.u32(CTRL.operation.number, command);
  builder.endMessage();
}

/** The command in a generic netlink message's header. */
export function genlCommand(message: NetlinkMessage): number {
  if (message.end - message.start < GENL_HEADER) {
    throw malformed("generic netlink message", `${message.end - message.start} bytes of payload`);
  }
  return message.view.getUint8(message.start);
}

/** Checks a generic netlink message's command, and returns where its attributes start. */
export function genlAttributes(message: NetlinkMessage, command: number): number {
  const got = genlCommand(message);
  if (got !== command) throw malformed("generic netlink message", `command ${got}, expected ${command}`);
  return message.start + GENL_HEADER;
}

/** Reads the answer to `getFamily`. */
export function decodeFamily(message: NetlinkMessage): GenlFamily {
  const got = decodeAttributes(CTRL, message, genlAttributes(message, CTRL_CMD_NEWFAMILY), "family");
  if (got.familyId === undefined || got.familyName === undefined) {
    throw malformed("family", "neither id nor name");
  }
  const groups: [string, number][] = [];
  for (const { name, id } of got.groups ?? []) {
    if (name !== undefined && id !== undefined) groups.push([name, id]);
  }
  return {
    id: got.familyId,
    name: got.familyName,
    version: got.version ?? 0,
    maxAttribute: got.maxAttribute ?? 0,
    operations: (got.operations ?? []).map(({ id = 0, flags = 0 }) => ({ id, flags })),
    groups: Object.fromEntries(groups),
  };
}
