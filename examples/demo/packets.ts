/**
 * IP packets as bytes: echo requests and replies, and datagrams. Without options, fragments or extension headers.
 */
import { isIPv6 } from "node:net";
import { formatIp, parseIp } from "../../src/core/ip.ts";

/** What a packet is about. */
export type Content =
  | {
      readonly kind: "echo-request" | "echo-reply";
      readonly id: number;
      readonly sequence: number;
      readonly data: Uint8Array;
    }
  | { readonly kind: "datagram"; readonly data: Uint8Array };

export interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly content: Content;
}

/** Protocol numbers; a datagram has the one for experiments (RFC 3692). */
const ICMP = 1;
const ICMPV6 = 58;
const EXPERIMENT = 253;

/** Types of ICMP and ICMPv6. */
const TYPES = {
  4: { "echo-request": 8, "echo-reply": 0 },
  6: { "echo-request": 128, "echo-reply": 129 },
} as const;

const HEADER = { 4: 20, 6: 40 } as const;
const ECHO_HEADER = 8;
const TTL = 64;

/** The bytes of a packet, with its checksums. */
export function encodePacket({ source, destination, content }: Packet): Buffer {
  const family = isIPv6(destination) ? 6 : 4;
  const header = HEADER[family];
  const isEcho = content.kind !== "datagram";
  const body = Buffer.alloc((isEcho ? ECHO_HEADER : 0) + content.data.length);
  const addresses = [source, destination].map((text) => parseIp(text) as Uint8Array);
  body.set(content.data, isEcho ? ECHO_HEADER : 0);
  if (isEcho) {
    body[0] = TYPES[family][content.kind];
    body.writeUInt16BE(content.id, 4);
    body.writeUInt16BE(content.sequence, 6);
    body.writeUInt16BE(echoSum(family, addresses, body), 2);
  }
  const packet = Buffer.alloc(header + body.length);
  if (family === 4) {
    packet[0] = 0x45;
    packet.writeUInt16BE(packet.length, 2);
    packet[8] = TTL;
    packet[9] = isEcho ? ICMP : EXPERIMENT;
    packet.set(Buffer.concat(addresses), 12);
    packet.writeUInt16BE(checksum(packet.subarray(0, header)), 10);
  } else {
    packet[0] = 0x60;
    packet.writeUInt16BE(body.length, 4);
    packet[6] = isEcho ? ICMPV6 : EXPERIMENT;
    packet[7] = TTL;
    packet.set(Buffer.concat(addresses), 8);
  }
  packet.set(body, header);
  return packet;
}

/** Undefined for what is none of these packets, or has a wrong checksum or length. */
export function decodePacket(packet: Uint8Array): Packet | undefined {
  const bytes = Buffer.from(packet.buffer, packet.byteOffset, packet.length);
  const family = (bytes[0] ?? 0) >> 4;
  if ((family !== 4 && family !== 6) || bytes.length < HEADER[family]) return undefined;
  const header = HEADER[family];
  const four = family === 4;
  const whole = four ? bytes.readUInt16BE(2) : header + bytes.readUInt16BE(4);
  if (whole !== bytes.length || (four && checksum(bytes.subarray(0, header)) !== 0)) return undefined;
  const addresses = four
    ? [bytes.subarray(12, 16), bytes.subarray(16, 20)]
    : [bytes.subarray(8, 24), bytes.subarray(24, 40)];
  const [source, destination] = addresses.map((each) => formatIp(each)) as [string, string];
  const body = bytes.subarray(header);
  const protocol = four ? bytes[9] : bytes[6];
  if (protocol === EXPERIMENT) return { source, destination, content: { kind: "datagram", data: body } };
  if (protocol !== (four ? ICMP : ICMPV6) || body.length < ECHO_HEADER) return undefined;
  const kind = (["echo-request", "echo-reply"] as const).find((each) => TYPES[family][each] === body[0]);
  if (kind === undefined || echoSum(family, addresses, body) !== 0) return undefined;
  const [id, sequence] = [body.readUInt16BE(4), body.readUInt16BE(6)];
  return { source, destination, content: { kind, id, sequence, data: body.subarray(ECHO_HEADER) } };
}

/** ICMPv6 counts the addresses, its length and its number as well (RFC 8200, 8.1). */
function echoSum(family: 4 | 6, addresses: readonly Uint8Array[], body: Buffer): number {
  if (family === 4) return checksum(body);
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(body.length, 0);
  tail[7] = ICMPV6;
  return checksum(Buffer.concat([...addresses, tail, body]));
}

/** RFC 1071; 0 over bytes that hold their own right checksum. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    sum += at % 2 === 0 ? byte << 8 : byte;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
