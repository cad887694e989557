/**
 * What the wire trace knows of the in-tree family `ovpn`.
 */

import type { MessageKind, TracedMessage } from "../../netlink/codec/describe.ts";
import { describeDatagram } from "../../netlink/codec/describe.ts";
import { genlKinds } from "../../netlink/codec/kinds.ts";
import { OVPN_COMMANDS, OVPN_FAMILY, OVPN_LAYOUT } from "./messages.ts";

/** For `genlKinds`. */
export const OVPN_KIND: MessageKind = { name: OVPN_FAMILY, layout: OVPN_LAYOUT, commands: OVPN_COMMANDS };

/**
 * The messages of a datagram on a generic netlink socket, for the trace; key bytes and nonce tails are hidden
 * in the object and in its hex dump.
 *
 * @param family the id that `ovpn` was resolved to
 */
export function describeOvpn(datagram: Uint8Array, family: number): TracedMessage[] {
  return describeDatagram(datagram, genlKinds(new Map([[family, OVPN_KIND]])));
}
