/**
 * Packs name-value lists, byte for byte as libnv does.
 */
import { invalid } from "../../core/errors.ts";
import {
  HEADER_BYTES,
  HEADER_SIZE,
  MAGIC,
  MOST_NAME_BYTES,
  PAIR_BYTES,
  PAIR_DATA_SIZE,
  PAIR_ITEMS,
  PAIR_NAME_SIZE,
  TERMINATOR_BYTES,
  TYPE_ARRAY_NEXT,
  TYPE_UP,
  TYPES,
} from "./format.ts";
import type { NvList, NvPair } from "./list.ts";

const MOST_NUMBER = 0xffff_ffff_ffff_ffffn;

/**
 * The packed form, little-endian, in a buffer of its own, which holds the only copy of what is in the list.
 *
 * Errors: `invalid`, for what libnv cannot hold.
 */
export function encodeList(list: NvList): Buffer {
  const out = Buffer.alloc(sizeOfList(list));
  const end = writeList(out, 0, list);
  if (end !== out.length) throw new Error(`a list of ${out.length} bytes was packed into ${end}`);
  return out;
}

/** Bytes of a list with its header, without a terminator. */
function sizeOfList(list: NvList): number {
  checkUnique(list);
  return list.reduce((sum, pair) => sum + sizeOfPair(pair), HEADER_BYTES);
}

/** Bytes of a pair, with the terminators of lists within. */
function sizeOfPair(pair: NvPair): number {
  return PAIR_BYTES + sizeOfText(pair.name, "name") + sizeOfValue(pair);
}

function sizeOfValue(pair: NvPair): number {
  switch (pair.type) {
    case "nvlist":
      return sizeOfList(pair.value) + TERMINATOR_BYTES;
    case "nvlist_array":
      checkArray(pair);
      return pair.value.reduce((sum, list) => sum + sizeOfList(list) + TERMINATOR_BYTES, 0);
    default:
      return dataSize(pair);
  }
}

/** What the pair's header says of it. */
function dataSize(pair: NvPair): number {
  switch (pair.type) {
    case "null":
    case "nvlist_array":
      return 0;
    case "bool":
      return 1;
    case "number":
      checkNumber(pair.name, pair.value);
      return 8;
    case "string":
      return sizeOfText(pair.value, pair.name);
    case "nvlist":
      return sizeOfList(pair.value);
    case "binary":
      if (pair.value.length === 0) throw invalid(pair.name, "must have a byte at least");
      return pair.value.length;
    case "bool_array":
      checkArray(pair);
      return pair.value.length;
    case "number_array":
      checkArray(pair);
      for (const value of pair.value) checkNumber(pair.name, value);
      return 8 * pair.value.length;
    case "string_array":
      checkArray(pair);
      return pair.value.reduce((sum, text) => sum + sizeOfText(text, pair.name), 0);
  }
}

function writeList(out: Buffer, at: number, list: NvList): number {
  out.writeUInt8(MAGIC, at);
  out.writeBigUInt64LE(BigInt(out.length - at - HEADER_BYTES), at + HEADER_SIZE);
  return list.reduce((next, pair) => writePair(out, next, pair), at + HEADER_BYTES);
}

function writePair(out: Buffer, at: number, pair: NvPair): number {
  const items = pair.type.endsWith("_array") ? (pair as { value: readonly unknown[] }).value.length : 0;
  return writeValue(out, writeHeader(out, at, TYPES[pair.type], pair.name, dataSize(pair), items), pair);
}

function writeHeader(out: Buffer, at: number, type: number, name: string, size: number, items: number) {
  out.writeUInt8(type, at);
  out.writeUInt16LE(Buffer.byteLength(name) + 1, at + PAIR_NAME_SIZE);
  out.writeBigUInt64LE(BigInt(size), at + PAIR_DATA_SIZE);
  out.writeBigUInt64LE(BigInt(items), at + PAIR_ITEMS);
  return writeText(out, at + PAIR_BYTES, name);
}

function writeValue(out: Buffer, at: number, pair: NvPair): number {
  switch (pair.type) {
    case "null":
      return at;
    case "bool":
      return out.writeUInt8(Number(pair.value), at);
    case "number":
      return out.writeBigUInt64LE(pair.value, at);
    case "string":
      return writeText(out, at, pair.value);
    case "nvlist":
      return writeHeader(out, writeList(out, at, pair.value), TYPE_UP, "", 0, 0);
    case "binary":
      out.set(pair.value, at);
      return at + pair.value.length;
    case "bool_array":
      return pair.value.reduce((next, value) => out.writeUInt8(Number(value), next), at);
    case "number_array":
      return pair.value.reduce((next, value) => out.writeBigUInt64LE(value, next), at);
    case "string_array":
      return pair.value.reduce((next, text) => writeText(out, next, text), at);
    case "nvlist_array":
      return pair.value.reduce(
        (next, list) => writeHeader(out, writeList(out, next, list), TYPE_ARRAY_NEXT, "", 0, 0),
        at,
      );
  }
}

/** With the NUL, which the buffer is filled with. */
function writeText(out: Buffer, at: number, text: string): number {
  return at + out.write(text, at) + 1;
}

function sizeOfText(text: string, field: string): number {
  if (text.includes("\0")) throw invalid(field, "must not hold a NUL");
  const size = Buffer.byteLength(text) + 1;
  if (field === "name" && size > MOST_NAME_BYTES) throw invalid(field, "is too long");
  return size;
}

function checkArray({ name, value }: { readonly name: string; readonly value: readonly unknown[] }): void {
  if (value.length === 0) throw invalid(name, "must have an item at least");
}

function checkNumber(name: string, value: bigint): void {
  if (value < 0n || value > MOST_NUMBER) throw invalid(name, "must fit 64 bits without sign");
}

function checkUnique(list: NvList): void {
  const names = new Set(list.map(({ name }) => name));
  if (names.size !== list.length) throw invalid("name", "must be unique in its list");
}
