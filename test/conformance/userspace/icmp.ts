/**
 * Echo requests and answers in IPv4 and IPv6 packets: as much of an IP stack as a ping takes.
 */

const ICMP = 1;
const ICMPV6 = 58;
/** IPv4 header without options, IPv6 header. */
const HEADER = { 4: 20, 6: 40 } as const;
const ECHO_HEADER = 8;
/** Types of request and answer. */
const TYPES = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;

/** An echo request or answer. */
export interface Echo {
  readonly kind: "request" | "reply";
  readonly source: Buffer;
  readonly destination: Buffer;
  readonly id: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

/** Source and destination of an IP packet; undefined if it is none. */
export function addressesOf(packet: Buffer): { source: Buffer; destination: Buffer } | undefined {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= HEADER[4])
    return { source: packet.subarray(12, 16), destination: packet.subarray(16, 20) };
  if (version === 6 && packet.length >= HEADER[6])
    return { source: packet.subarray(8, 24), destination: packet.subarray(24, 40) };
  return undefined;
}

/** One hop less, as a router makes it; undefined if there is none left. */
export function oneHopLess(packet: Buffer): Buffer | undefined {
  const forwarded = Buffer.from(packet);
  const at = packet[0] === 0x45 ? 8 : 7;
  const hops = (forwarded[at] as number) - 1;
  if (hops <= 0) return undefined;
  forwarded[at] = hops;
  if (at === 8) {
    forwarded.writeUInt16BE(0, 10);
    forwarded.writeUInt16BE(checksum(forwarded.subarray(0, HEADER[4])), 10);
  }
  return forwarded;
}

export function encodeEcho({ kind, source, destination, id, sequence, payload }: Echo): Buffer {
  const family = source.length === 4 ? 4 : 6;
  const header = HEADER[family];
  const packet = Buffer.alloc(header + ECHO_HEADER + payload.length);
  const echo = packet.subarray(header);
  echo[0] = TYPES[family][kind];
  echo.writeUInt16BE(id, 4);
  echo.writeUInt16BE(sequence, 6);
  payload.copy(echo, ECHO_HEADER);
  if (family === 4) {
    packet[0] = 0x45;
    packet.writeUInt16BE(packet.length, 2);
    packet[8] = 64;
    packet[9] = ICMP;
    source.copy(packet, 12);
    destination.copy(packet, 16);
    packet.writeUInt16BE(checksum(packet.subarray(0, header)), 10);
    echo.writeUInt16BE(checksum(echo), 2);
  } else {
    packet[0] = 0x60;
    packet.writeUInt16BE(echo.length, 4);
    packet[6] = ICMPV6;
    packet[7] = 64;
    source.copy(packet, 8);
    destination.copy(packet, 24);
    echo.writeUInt16BE(checksum(pseudoHeader(source, destination, echo.length), echo), 2);
  }
  return packet;
}

/** Undefined if it is no echo packet, or not as it was sent: checksums and lengths are checked. */
export function decodeEcho(packet: Buffer): Echo | undefined {
  const addresses = addressesOf(packet);
  if (addresses === undefined) return undefined;
  const { source, destination } = addresses;
  const family = source.length === 4 ? 4 : 6;
  const echo = packet.subarray(HEADER[family]);
  if (echo.length < ECHO_HEADER || packet[family === 4 ? 9 : 6] !== (family === 4 ? ICMP : ICMPV6))
    return undefined;
  const whole = family === 4 ? packet.readUInt16BE(2) : HEADER[6] + packet.readUInt16BE(4);
  const header = family === 4 ? checksum(packet.subarray(0, HEADER[4])) : 0;
  const content =
    family === 4 ? checksum(echo) : checksum(pseudoHeader(source, destination, echo.length), echo);
  if (whole !== packet.length || header !== 0 || content !== 0) return undefined;
  const kind = (["request", "reply"] as const).find((each) => TYPES[family][each] === echo[0]);
  if (kind === undefined) return undefined;
  return {
    kind,
    source,
    destination,
    id: echo.readUInt16BE(4),
    sequence: echo.readUInt16BE(6),
    payload: echo.subarray(ECHO_HEADER),
  };
}

/** RFC 8200, 8.1. */
function pseudoHeader(source: Buffer, destination: Buffer, length: number): Buffer {
  const rest = Buffer.alloc(8);
  rest.writeUInt32BE(length, 0);
  rest[7] = ICMPV6;
  return Buffer.concat([source, destination, rest]);
}

/** RFC 1071; of parts of even length, but for the last. */
function checksum(...parts: readonly Buffer[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) sum += ((part[at] as number) << 8) | (part[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
