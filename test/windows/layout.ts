/**
 * Requests as bytes, made from what a compiler said of the driver's headers: independent of the code that is tested.
 */
import layout from "../vectors/ovpn-dco-win-layout.json" with { type: "json" };

interface Field {
  readonly offset: number;
  readonly size: number;
}

interface Header {
  readonly structs: Readonly<
    Record<string, { readonly size: number; readonly fields: Readonly<Record<string, Field>> }>
  >;
  readonly ioctls: Readonly<Record<string, { readonly code: number }>>;
}

/** The newer of the two headers, which has all of the older one. */
const header = Object.entries(layout).find(([name]) =>
  name.startsWith("openvpn-master"),
)?.[1] as unknown as Header;

/** The code of a request, by its name without `OVPN_IOCTL_`. */
export function code(name: string): number {
  const found = header.ioctls[`OVPN_IOCTL_${name}`];
  if (!found) throw new Error(`the layout has no request ${name}`);
  return found.code;
}

function struct(name: string) {
  const found = header.structs[`OVPN_${name}`];
  if (!found) throw new Error(`the layout has no struct ${name}`);
  return found;
}

/** Bytes of a struct, by its name without `OVPN_`. */
export function sizeOf(name: string): number {
  return struct(name).size;
}

/** A struct with these fields, and zeros elsewhere. Numbers are little-endian. */
export function pack(name: string, fields: Readonly<Record<string, number | Uint8Array>> = {}): Buffer {
  const { size, fields: known } = struct(name);
  const bytes = Buffer.alloc(size);
  for (const [key, value] of Object.entries(fields)) {
    const field = known[key];
    if (!field) throw new Error(`${name} has no field ${key}`);
    if (typeof value !== "number") bytes.set(value, field.offset);
    else if (field.size === 1) bytes.writeUInt8(value, field.offset);
    else if (value < 0) bytes.writeInt32LE(value, field.offset);
    else bytes.writeUInt32LE(value, field.offset);
  }
  return bytes;
}

/** A field that is a number. */
export function read(bytes: Buffer, name: string, key: string): number {
  const field = struct(name).fields[key];
  if (!field) throw new Error(`${name} has no field ${key}`);
  if (field.size === 8) return Number(bytes.readBigInt64LE(field.offset));
  return field.size === 1 ? bytes.readUInt8(field.offset) : bytes.readInt32LE(field.offset);
}

const IPV4 = 2;
const IPV6 = 23;

/** A SOCKADDR_IN of 16 bytes. */
export function ipv4(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(IPV4, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address.split(".").map(Number), 4);
  return bytes;
}

/** A SOCKADDR_IN6 of 28 bytes; `address` has 16. */
export function ipv6(address: Uint8Array, port: number): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(IPV6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address, 8);
  return bytes;
}

/** The port of either. */
export function portOf(address: Buffer): number {
  return address.readUInt16BE(2);
}

/** One direction of a key. */
export function keyDirection(byte: number, length: number): Buffer {
  return pack("KEY_DIRECTION", {
    Key: Buffer.alloc(Math.min(length, 32), byte),
    KeyLen: length,
    NonceTail: Buffer.alloc(8, byte ^ 0xff),
  });
}
