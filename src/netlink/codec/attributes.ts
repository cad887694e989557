/**
 * Encodes and decodes attributes by their table.
 */

import { invalid } from "../../core/errors.ts";
import type { MessageBuilder } from "./builder.ts";
import { NLA_TYPE_MASK } from "./constants.ts";
import { AttributeReader } from "./reader.ts";
import type { Region } from "./region.ts";
import { malformed } from "./region.ts";
import type { Attributes, AttributeTable, Shape } from "./table.ts";
import { entriesOf, expectedSizes, joinPath, wireName } from "./table.ts";

/**
 * The attributes of a region as an object.
 *
 * Attributes that the table does not have are passed over (newer kernels add some), among them the padding
 * of type 0; of two with the same number the later one counts. Byte values are copies.
 *
 * @param from where the first attribute starts
 * @param path put before the names in errors
 * @throws DcoError `protocol` for a payload of the wrong size, naming the attribute's path, and for attributes
 *   that do not fit the region
 */
export function decodeAttributes<const T extends AttributeTable>(
  table: T,
  region: Region,
  from: number = region.start,
  path = "",
): Attributes<T> {
  const entries = entriesOf(table);
  const result: Record<string, unknown> = {};
  const reader = new AttributeReader(region, from);
  while (reader.next()) {
    const entry = entries[reader.type];
    if (entry !== undefined) result[entry.key] = decodeValue(entry.spec, reader, joinPath(path, entry.name));
  }
  return result as Attributes<T>;
}

/**
 * Appends the attributes of an object, in the order of its properties; undefined ones are left out.
 *
 * @throws DcoError `invalid` with the attribute's path for a value that its type cannot carry
 */
export function encodeAttributes<const T extends AttributeTable>(
  table: T,
  values: { readonly [K in keyof Attributes<T>]: Attributes<T>[K] | undefined },
  builder: MessageBuilder,
  path = "",
): void {
  for (const [key, value] of Object.entries(values as Record<string, unknown>)) {
    if (value === undefined) continue;
    const name = joinPath(path, wireName(key));
    const spec = Object.hasOwn(table, key) ? table[key] : undefined;
    if (spec === undefined) throw invalid(name, "not an attribute of this message");
    encodeValue(spec, spec.number, value, builder, name);
  }
}

/** The value of the attribute that the reader is at. */
export function decodeValue(shape: Shape, at: AttributeReader, path: string): unknown {
  const { view, bytes, start, length } = at;
  const expected = expectedSizes(shape, length);
  if (expected !== undefined) throw malformed(path, `${length} bytes, expected ${expected}`);
  switch (shape.type) {
    case "u8":
      return view.getUint8(start);
    case "u16":
      return view.getUint16(start, true);
    case "u16be":
      return view.getUint16(start, false);
    case "u32":
      return view.getUint32(start, true);
    case "s32":
      return view.getInt32(start, true);
    case "u64":
      return view.getBigUint64(start, true);
    case "s64":
      return view.getBigInt64(start, true);
    case "uint":
      return length === 4 ? BigInt(view.getUint32(start, true)) : view.getBigUint64(start, true);
    case "u16or32":
      return length === 2 ? view.getUint16(start, true) : view.getUint32(start, true);
    case "ip4":
    case "ip6":
    case "ip":
    case "bytes":
      return bytes.slice(start, at.end);
    case "string":
      return decodeString(at);
    case "flag":
      return true;
    case "nest":
      return decodeAttributes(shape.table, at, start, path);
    case "array":
      return [...decodeElements(shape.element, at, path)].map(([, value]) => value);
    case "map":
      return new Map(decodeElements(shape.element, at, path));
  }
}

/** The numbered elements of an array or a map. */
function* decodeElements(element: Shape, at: AttributeReader, path: string): Generator<[number, unknown]> {
  const reader = new AttributeReader(at, at.start);
  while (reader.next()) yield [reader.type, decodeValue(element, reader, `${path}[${reader.type}]`)];
}

/** Text up to the first NUL: the kernel ends strings with one, but not all of them. */
function decodeString({ bytes, start, end }: Region): string {
  const nul = bytes.subarray(start, end).indexOf(0);
  const stop = nul < 0 ? end : start + nul;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString("utf8");
}

function encodeValue(
  shape: Shape,
  number: number,
  value: unknown,
  builder: MessageBuilder,
  path: string,
): void {
  switch (shape.type) {
    case "u8":
      builder.u8(number, integer(value, 0, 0xff, path));
      break;
    case "u16":
      builder.u16(number, integer(value, 0, 0xffff, path));
      break;
    case "u16be":
      builder.u16be(number, integer(value, 0, 0xffff, path));
      break;
    case "u32":
    case "u16or32":
      builder.u32(number, integer(value, 0, 0xffffffff, path));
      break;
    case "s32":
      builder.s32(number, integer(value, -0x80000000, 0x7fffffff, path));
      break;
    case "u64":
      builder.u64(number, wideInteger(value, path));
      break;
    case "s64":
      builder.u64(number, BigInt.asUintN(64, signedWideInteger(value, path)));
      break;
    case "uint":
      builder.uint(number, wideInteger(value, path));
      break;
    case "ip4":
      builder.data(number, byteString(value, [4], path));
      break;
    case "ip6":
      builder.data(number, byteString(value, [16], path));
      break;
    case "ip":
      builder.data(number, byteString(value, [4, 16], path));
      break;
    case "bytes":
      builder.data(number, boundedBytes(value, shape.min, shape.max, path));
      break;
    case "string":
      if (typeof value !== "string" || value.includes("\0")) throw invalid(path, "not a string without NUL");
      builder.string(number, value);
      break;
    case "flag":
      if (value !== true) throw invalid(path, "a flag is either true or left out");
      builder.flag(number);
      break;
    case "nest":
    case "array":
    case "map": {
      const nest = builder.beginNest(number);
      encodeElements(shape, value, builder, path);
      builder.endNest(nest);
      break;
    }
  }
}

/** What is inside of a nest, an array or a map. */
function encodeElements(
  shape: Extract<Shape, { type: "nest" | "array" | "map" }>,
  value: unknown,
  builder: MessageBuilder,
  path: string,
): void {
  if (shape.type === "nest") {
    if (typeof value !== "object" || value === null) throw invalid(path, "not an object");
    encodeAttributes(shape.table, value as Attributes<AttributeTable>, builder, path);
    return;
  }
  if (shape.type === "map" ? !(value instanceof Map) : !Array.isArray(value)) {
    throw invalid(path, `not ${shape.type === "map" ? "a Map" : "an array"}`);
  }
  for (const [key, element] of (value as unknown[] | Map<number, unknown>).entries()) {
    // The kernel numbers the elements of an array from 1.
    const number = integer(shape.type === "array" ? key + 1 : key, 0, NLA_TYPE_MASK, `${path} key`);
    encodeValue(shape.element, number, element, builder, `${path}[${number}]`);
  }
}

function integer(value: unknown, low: number, high: number, path: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) {
    throw invalid(path, `${printable(value)} is not an integer from ${low} to ${high}`);
  }
  return value;
}

function wideInteger(value: unknown, path: string): bigint {
  if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) {
    throw invalid(path, `${printable(value)} is not a bigint of 64 bits`);
  }
  return value;
}

function signedWideInteger(value: unknown, path: string): bigint {
  if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value) {
    throw invalid(path, `${printable(value)} is not a signed bigint of 64 bits`);
  }
  return value;
}

/** A number as it is; of anything else only its type, for it may be a misplaced key. */
function printable(value: unknown): string {
  return typeof value === "number" || typeof value === "bigint" ? String(value) : `a ${typeof value}`;
}

function byteString(value: unknown, sizes: readonly number[], path: string): Uint8Array {
  if (!(value instanceof Uint8Array) || !sizes.includes(value.length)) {
    throw invalid(path, `not ${sizes.join(" or ")} bytes`);
  }
  return value;
}

function boundedBytes(value: unknown, min: number, max: number, path: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length < min || value.length > max) {
    throw invalid(path, `not ${min} to ${max} bytes`);
  }
  return value;
}
