/**
 * IP addresses as text and as bytes in network order. Pure.
 */

/** The first 12 bytes of an IPv4-mapped IPv6 address, `::ffff:0:0/96` (RFC 4291, 2.5.5.2). */
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** `0.0.0.0`, `::`. */
export function isUnspecified(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** The code of `0`, and that of a dot counted from there. */
const ZERO = 48;
const DOT = -2;

/**
 * The bytes of an IPv4 or IPv6 address in text form.
 *
 * Strict: four decimal octets without leading zeros, or RFC 4291 text without zone or brackets; no prefix
 * length, no white space.
 *
 * @returns 4 or 16 bytes, or undefined if the text is not such an address
 */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** Character by character, because servers add peers by the thousand. */
function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4);
  let octet = 0;
  let digits = 0;
  let value = 0;
  for (let i = 0; i <= text.length; i++) {
    const digit = i < text.length ? text.charCodeAt(i) - ZERO : DOT;
    if (digit === DOT) {
      if (digits === 0 || octet === 4) return undefined;
      bytes[octet++] = value;
      digits = 0;
      value = 0;
      continue;
    }
    // A leading zero could be meant as octal.
    if (digit < 0 || digit > 9 || (digits > 0 && value === 0)) return undefined;
    digits++;
    value = value * 10 + digit;
    if (value > 255) return undefined;
  }
  return octet === 4 ? bytes : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  const tail = halves.length === 1 ? [] : parseGroups(halves[1] as string, true);
  if (head === undefined || tail === undefined) return undefined;
  const length = head.length + tail.length;
  // "::" stands for one group of zeros at least.
  if (halves.length === 1 ? length !== 16 : length > 14) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head, 0);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** The bytes of groups between colons; the last may be dotted quad if it ends the address. */
function parseGroups(text: string, endsAddress: boolean): number[] | undefined {
  const bytes: number[] = [];
  if (text === "") return bytes;
  const groups = text.split(":");
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const dotted = endsAddress && i === groups.length - 1 ? parseIpv4(group) : undefined;
    if (dotted === undefined) return undefined;
    bytes.push(...dotted);
  }
  return bytes;
}

/**
 * The canonical text of an address: dotted quad, or RFC 5952 (IPv4-mapped as `::ffff:192.0.2.1`).
 *
 * @param bytes 4 or 16 bytes in network order
 * @throws RangeError for another length
 */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] as number) << 8) | (bytes[i + 1] as number));
  const [start, length] = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  // A single zero group is written out (RFC 5952, 4.2.2).
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** The first of the longest runs of zero groups, as start and length. */
function longestZeros(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best[1]) best = [start, end - start];
    start = Math.max(start, end);
  }
  return best;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && MAPPED_PREFIX.every((byte, i) => bytes[i] === byte);
}

/** The 4 bytes within an IPv4-mapped IPv6 address, as a copy; any other address as it is. */
export function unmapIpv4(bytes: Uint8Array): Uint8Array {
  return isMapped(bytes) ? Uint8Array.from(bytes.subarray(12)) : bytes;
}

/** The IPv4-mapped IPv6 address of 4 bytes; 16 bytes as they are. */
export function mapIpv4(bytes: Uint8Array): Uint8Array {
  return bytes.length === 4 ? Uint8Array.from([...MAPPED_PREFIX, ...bytes]) : bytes;
}
