/**
 * Addresses, prefixes and endpoints: text of the caller to bytes, and back.
 */
import type { IpAddress, IpEndpoint, IpPrefix } from "../backend.ts";
import { invalid } from "../errors.ts";
import { formatIp, parseIp, unmapIpv4 } from "../ip.ts";
import type { Endpoint } from "../model.ts";
import { at, quote, readInteger, readShape, readString, type Shape, UINT32_MAX } from "./shape.ts";

/** What an address cannot be, in a given place. */
export type AddressClass = "unspecified" | "loopback" | "multicast" | "broadcast";

/** IPv4-mapped IPv6 is 96 bits of `::ffff:0:0/96` before the IPv4 address (RFC 4291, 2.5.5.2). */
const MAPPED_BITS = 96;

function ipAddress(raw: Uint8Array): IpAddress {
  const bytes = unmapIpv4(raw);
  return { family: bytes.length === 4 ? 4 : 6, bytes, text: formatIp(bytes) };
}

/** Dotted quad without leading zeros is canonical. */
function ipv4Address(bytes: Uint8Array, text: string): IpAddress {
  return { family: 4, bytes, text };
}

/** An IP address in text form; IPv4-mapped IPv6 becomes IPv4. */
export function parseAddress(text: unknown, field: string): IpAddress {
  const given = readString(text, field);
  const bytes = parseIp(given);
  if (bytes === undefined) throw invalid(field, `${quote(given)} is not an IP address`);
  return bytes.length === 4 ? ipv4Address(bytes, given) : ipAddress(bytes);
}

/** What kind of address it is, where that matters; undefined for an ordinary one. */
export function classOf({ family, bytes }: IpAddress): AddressClass | undefined {
  const first = bytes[0] as number;
  if (family === 4) {
    if (first === 0) return isAll(bytes, 0) ? "unspecified" : undefined;
    if (first === 127) return "loopback";
    if (first >= 224 && first < 240) return "multicast";
    return first === 255 && isAll(bytes, 255) ? "broadcast" : undefined;
  }
  if (first === 255) return "multicast";
  if (first !== 0 || !isAll(bytes.subarray(0, -1), 0)) return undefined;
  if (bytes[15] === 0) return "unspecified";
  return bytes[15] === 1 ? "loopback" : undefined;
}

function isAll(bytes: Uint8Array, value: number): boolean {
  return bytes.every((byte) => byte === value);
}

/** Refuses addresses of some kinds. */
export function refuseClasses(address: IpAddress, field: string, refused: readonly AddressClass[]): void {
  const kind = classOf(address);
  if (kind !== undefined && refused.includes(kind)) {
    const article = kind === "unspecified" ? "an" : "a";
    throw invalid(field, `${address.text} is ${article} ${kind} address`);
  }
}

/** How {@link parsePrefix} reads. */
export interface PrefixOptions {
  /** Bits behind the prefix length: kept, as in `10.8.0.2/24`, or refused. */
  readonly hostBits: "keep" | "refuse";
  /** Whether the length must be there; without it the prefix is one address. Default `optional`. */
  readonly length?: "required" | "optional";
}

/** A prefix such as `10.0.0.0/8`, or an address alone; IPv4-mapped IPv6 becomes IPv4. */
export function parsePrefix(text: unknown, field: string, options: PrefixOptions): IpPrefix {
  const given = readString(text, field);
  const slash = given.indexOf("/");
  const raw = parseIp(slash < 0 ? given : given.slice(0, slash));
  if (raw === undefined) throw invalid(field, `${quote(given)} is not an IP address with a prefix length`);
  const address = ipAddress(raw);
  const mapped = address.bytes.length < raw.length;
  let length = raw.length * 8;
  if (slash >= 0) {
    const digits = given.slice(slash + 1);
    if (!/^(0|[1-9]\d{0,2})$/.test(digits) || Number(digits) > length) {
      throw invalid(field, `the prefix length of ${quote(given)} must be from 0 to ${length}`);
    }
    length = Number(digits);
  } else if (options.length === "required") {
    throw invalid(
      field,
      `${quote(given)} needs a prefix length, such as ${address.text}/${address.family === 4 ? 24 : 64}`,
    );
  }
  if (mapped) {
    if (length < MAPPED_BITS) throw invalid(field, `${quote(given)} is wider than the IPv4-mapped addresses`);
    length -= MAPPED_BITS;
  }
  const network = maskTo(address.bytes, length);
  if (options.hostBits === "refuse" && !equalBytes(network, address.bytes)) {
    throw invalid(
      field,
      `${quote(given)} has bits set behind its prefix length; the prefix is ${formatIp(network)}/${length}`,
    );
  }
  return { ...address, length };
}

function maskTo(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))));
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The text of a prefix, such as `10.0.0.0/8`. */
export function formatPrefix(prefix: IpPrefix): string {
  return `${prefix.text}/${prefix.length}`;
}

/** How {@link parseEndpoint} reads. */
export interface EndpointOptions {
  readonly port: "any" | "nonzero";
}

/** Splits `192.0.2.1:1194`, `[2001:db8::1]:1194` and `[fe80::1%3]:1194` into fields. */
function splitEndpoint(text: string, field: string): Endpoint {
  const match = /^(?:\[([^\]%]*)(?:%([^\]]*))?\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (!match) {
    const hint = text.split(":").length > 2 && !text.startsWith("[") ? "; IPv6 needs [brackets]" : "";
    throw invalid(field, `${quote(text)} is not an address with a port, such as 192.0.2.1:1194${hint}`);
  }
  const [, ipv6, zone, ipv4, port] = match;
  if (ipv6 !== undefined && !ipv6.includes(":"))
    throw invalid(field, `${quote(text)}: only IPv6 stands in [brackets]`);
  if (zone !== undefined && !/^[1-9]\d{0,9}$/.test(zone)) {
    throw invalid(field, `${quote(text)}: the zone must be an interface index`);
  }
  const address = (ipv6 ?? ipv4) as string;
  return { address, port: Number(port), ...(zone !== undefined && { scopeId: Number(zone) }) };
}

const ENDPOINT: Shape<"address" | "port" | "scopeId"> = {
  names: ["address", "port", "scopeId"],
  read: ({ address, port, scopeId }) => ({ address, port, scopeId }),
};

/** An endpoint as an object or as text; IPv4-mapped IPv6 becomes IPv4. */
export function parseEndpoint(input: unknown, field: string, options: EndpointOptions): IpEndpoint {
  const given = typeof input === "string" ? splitEndpoint(input, field) : input;
  const fields = readShape(given, ENDPOINT, field);
  const address = parseAddress(fields.address, at(field, "address"));
  const port = readInteger(fields.port, at(field, "port"), options.port === "nonzero" ? 1 : 0, 65535);
  const scopeField = at(field, "scopeId");
  const linkLocal =
    address.family === 6 && address.bytes[0] === 0xfe && ((address.bytes[1] as number) & 0xc0) === 0x80;
  if (fields.scopeId === undefined) {
    if (linkLocal)
      throw invalid(scopeField, `is missing; ${address.text} is link-local and needs the interface's index`);
    // Written out, because a spread is slow.
    return { family: address.family, bytes: address.bytes, text: address.text, port, scopeId: 0 };
  }
  const scopeId = readInteger(fields.scopeId, scopeField, 1, UINT32_MAX);
  if (!linkLocal) throw invalid(scopeField, `${address.text} is not a link-local IPv6 address`);
  return { ...address, port, scopeId };
}

/** The endpoint of something that can be reached: a port, and an address of one host. */
export function parseRemote(input: unknown, field: string): IpEndpoint {
  const remote = parseEndpoint(input, field, { port: "nonzero" });
  refuseClasses(remote, at(field, "address"), ["unspecified", "multicast", "broadcast"]);
  return remote;
}

/** The endpoint that a socket is bound to; port 0 means any. */
export function parseLocal(input: unknown, field: string): IpEndpoint {
  const local = parseEndpoint(input, field, { port: "any" });
  refuseClasses(local, at(field, "address"), ["multicast", "broadcast"]);
  return local;
}

/** A checked endpoint as the caller sees it. */
export function toEndpoint(ip: IpEndpoint): Endpoint {
  return ip.scopeId === 0
    ? { address: ip.text, port: ip.port }
    : { address: ip.text, port: ip.port, scopeId: ip.scopeId };
}
