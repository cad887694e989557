/**
 * Words of the command line as values. Whatever is wrong is a {@link UsageError} that names the word's place.
 */

import type { InterfaceMode, Keepalive, KeySlot } from "../core/model.ts";
import { MAX_PEER_ID } from "../core/model.ts";
import { UsageError } from "./exit-codes.ts";

/** A whole number within limits. */
export function readNumber(text: string, what: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new UsageError(`${what} must be a whole number from ${min} to ${max}`);
  return value;
}

/** A peer's id. */
export const readPeerId = (text: string | undefined): number =>
  readNumber(text ?? "", "PEER", 0, MAX_PEER_ID);

/** As long as a timer can wait: one that is to wait longer ends at once. */
const MAX_SECONDS = 2_147_483;

/** Seconds, which may have a fraction. */
export function readSeconds(text: string, what: string): number {
  const value = /^\d{1,7}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value > 0 && value <= MAX_SECONDS)) {
    throw new UsageError(`${what} must be a number of seconds above 0, ${MAX_SECONDS} at most`);
  }
  return value;
}

/** One of a few words. */
export function readWord<T extends string>(text: string | undefined, what: string, words: readonly T[]): T {
  if (!words.includes(text as T)) throw new UsageError(`${what} must be ${words.join(" or ")}`);
  return text as T;
}

/** `p2p`, `multipeer`. */
export const readMode = (text: string | undefined, what: string): InterfaceMode =>
  readWord(text, what, ["p2p", "multipeer"]);

/** `primary`, `secondary`. */
export const readSlot = (text: string | undefined, what: string): KeySlot =>
  readWord(text, what, ["primary", "secondary"]);

/** `10:60`: interval and timeout in seconds; `off`. */
export function readKeepalive(text: string, what: string): Keepalive | "off" {
  if (text === "off") return "off";
  const [, interval, timeout] = /^(\d{1,7}):(\d{1,7})$/.exec(text) ?? [];
  if (interval === undefined) throw new UsageError(`${what} must be INTERVAL:TIMEOUT in seconds, or off`);
  return { interval: Number(interval), timeout: Number(timeout) };
}

/** Addresses of either family as VPN addresses of a peer. */
export function readVpn(addresses: readonly string[], what: string): { ipv4?: string; ipv6?: string } {
  const ipv4 = addresses.filter((each) => !each.includes(":"));
  const ipv6 = addresses.filter((each) => each.includes(":"));
  if (ipv4.length > 1 || ipv6.length > 1) {
    throw new UsageError(`${what}: a peer has one IPv4 and one IPv6 address at most`);
  }
  return {
    ...(ipv4[0] === undefined ? {} : { ipv4: ipv4[0] }),
    ...(ipv6[0] === undefined ? {} : { ipv6: ipv6[0] }),
  };
}
