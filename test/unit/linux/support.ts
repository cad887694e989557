/** What the tests of the Linux codec share. */

import { readFileSync } from "node:fs";
import { DcoError } from "../../../src/core/errors.ts";
import type { Acknowledgement } from "../../../src/netlink/codec/acknowledgement.ts";
import { decodeAcknowledgement, isAcknowledgement } from "../../../src/netlink/codec/acknowledgement.ts";
import { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import type { NetlinkMessage } from "../../../src/netlink/codec/message.ts";
import { parseDatagram } from "../../../src/netlink/codec/message.ts";

/** One request to a real kernel and what it answered, in hexadecimal. */
export interface CapturedExchange {
  readonly name: string;
  readonly note: string;
  readonly request: string;
  readonly answers: readonly string[];
}

function readVector(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}`, import.meta.url), "utf8"));
}

/** The worked examples of the ovpn family. */
export const GOLDEN = readVector("linux-ovpn-golden.json") as Readonly<{
  family: number;
  ifindex: number;
  newLink: string;
  peerNew: string;
  keyNew: string;
  peerDump: string;
  peerDelNtf: string;
  keySwapNtf: string;
  peerFloatNtf: string;
}>;

/** What a kernel answered; see the vector's own note. */
export const CAPTURED = readVector("linux-netlink-captured.json") as Readonly<{
  index: number;
  exchanges: readonly CapturedExchange[];
}>;

/** What a kernel with the module `ovpn` answered; see the vector's own note. */
export const OVPN_CAPTURED = readVector("linux-ovpn-captured.json") as Readonly<{
  family: number;
  /** The interface in multi-peer mode, and the one in p2p mode. */
  server: number;
  client: number;
  group: number;
  exchanges: readonly CapturedExchange[];
}>;

/** What a kernel with `ovpn` but without tx-id answered about its policies. */
export const OVPN_POLICY_6_18 = readVector("linux-ovpn-policy-6.18.json") as Readonly<{
  exchanges: readonly CapturedExchange[];
}>;

/** What a kernel with the out-of-tree module `ovpn-dco-v2` answered; see the vector's own note. */
export const LEGACY_CAPTURED = readVector("linux-legacy-captured.json") as Readonly<{
  family: number;
  /** The interface in multi-peer mode, and the one in p2p mode. */
  server: number;
  client: number;
  /** Descriptors. */
  socket4: number;
  socket6: number;
  remote: number;
  group: number;
  exchanges: readonly CapturedExchange[];
}>;

/** The captured exchange with this name. */
export function captured(name: string): CapturedExchange {
  const found = CAPTURED.exchanges.find((exchange) => exchange.name === name);
  if (found === undefined) throw new Error(`no captured exchange "${name}"`);
  return found;
}

/** All messages of a captured exchange's answers. */
export function answersOf(name: string): NetlinkMessage[] {
  return captured(name).answers.flatMap((answer) => parseDatagram(bytes(answer)));
}

/** What the kernel answered, without the acknowledgement, decoded. */
export function objects<T>(messages: readonly NetlinkMessage[], decode: (message: NetlinkMessage) => T): T[] {
  return messages.filter((each) => !isAcknowledgement(each)).map(decode);
}

/** How the kernel ended the request. */
export function endOf(messages: readonly NetlinkMessage[]): Acknowledgement {
  const end = messages.find(isAcknowledgement);
  if (end === undefined) throw new Error("no acknowledgement");
  return decodeAcknowledgement(end);
}

/** A copy of the messages that `build` appends to a builder. */
export function built(build: (builder: MessageBuilder) => void): Buffer {
  const builder = new MessageBuilder();
  build(builder);
  return Buffer.from(builder.bytes());
}

/** The first message that `build` appends, as if it had been received. */
export function builtMessage(build: (builder: MessageBuilder) => void): NetlinkMessage {
  const [first] = parseDatagram(built(build));
  if (first === undefined) throw new Error("no message was built");
  return first;
}

/** An IPv4 address, and an IPv6 address by its eight groups. */
export const v4 = (...octets: number[]): Uint8Array => Uint8Array.from(octets);
export const v6 = (...groups: number[]): Uint8Array =>
  Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));

/** Milliseconds for tests with many cases: a guard against one that never ends, not a measurement. */
export const TIMEOUT = 60_000;

/** Hexadecimal digits as bytes. */
export function bytes(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}

/** The only message in a datagram. */
export function message(hex: string): NetlinkMessage {
  const [only, ...others] = parseDatagram(bytes(hex));
  if (only === undefined || others.length > 0) throw new Error("not one message");
  return only;
}

/** What `body` returns, or the code of the DcoError it throws; anything else it throws goes on. */
export function outcome<T>(body: () => T): { readonly value: T } | { readonly code: string } {
  try {
    return { value: body() };
  } catch (error) {
    if (error instanceof DcoError) return { code: error.code };
    throw error;
  }
}
