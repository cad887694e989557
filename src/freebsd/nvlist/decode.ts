/**
 * Unpacks name-value lists, strictly: every size must be what it counts.
 */
import { DcoError } from "../../core/errors.ts";
import {
  HEADER_BYTES,
  HEADER_DESCRIPTORS,
  HEADER_SIZE,
  MAGIC,
  MOST_DEPTH,
  MOST_NAME_BYTES,
  PAIR_BYTES,
  PAIR_DATA_SIZE,
  PAIR_ITEMS,
  PAIR_NAME_SIZE,
  TYPE_ARRAY_NEXT,
  TYPE_DESCRIPTOR,
  TYPE_DESCRIPTOR_ARRAY,
  TYPE_UP,
  TYPES,
} from "./format.ts";
import type { NvList, NvPair } from "./list.ts";

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const NAMES = new Map<number, NvPair["type"]>(
  Object.entries(TYPES).map(([name, type]) => [type, name as NvPair["type"]]),
);

interface PairHeader {
  readonly type: number;
  readonly name: string;
  readonly size: number;
  readonly items: number;
}

/**
 * The list in these bytes; binary values are copies.
 *
 * Errors: `protocol`, for anything but exactly one list in little-endian order.
 */
export function decodeList(bytes: Uint8Array): NvList {
  const reader = new ListReader(bytes);
  const list = reader.list(0, undefined);
  if (!reader.atEnd) throw garbled("bytes follow the list");
  return list;
}

class ListReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** @param terminator the pair that ends the list; without one the bytes' end does */
  list(depth: number, terminator: number | undefined): NvList {
    if (depth > MOST_DEPTH) throw garbled("lists are too deep");
    this.#header();
    const pairs: NvPair[] = [];
    const names = new Set<string>();
    for (;;) {
      if (terminator === undefined && this.atEnd) return pairs;
      const header = this.#pairHeader();
      if (header.type === terminator) {
        if (header.name !== "" || header.size !== 0 || header.items !== 0)
          throw garbled("a terminator has a value");
        return pairs;
      }
      if (names.has(header.name)) throw garbled("a name is there twice");
      names.add(header.name);
      pairs.push(this.#pair(header, depth));
    }
  }

  #header(): void {
    const at = this.#skip(HEADER_BYTES);
    const [magic, version, flags] = this.#bytes.subarray(at);
    if (magic !== MAGIC || version !== 0) throw garbled("this is no list");
    if (flags !== 0) throw garbled("the list has flags");
    if (this.#number(at + HEADER_DESCRIPTORS) !== 0) throw garbled("the list has descriptors");
    if (this.#number(at + HEADER_SIZE) !== this.#bytes.length - this.#at)
      throw garbled("a list's size is wrong");
  }

  #pairHeader(): PairHeader {
    const at = this.#skip(PAIR_BYTES);
    const nameSize = this.#bytes.readUInt16LE(at + PAIR_NAME_SIZE);
    if (nameSize === 0 || nameSize > MOST_NAME_BYTES) throw garbled("a name's size is wrong");
    return {
      type: this.#bytes.readUInt8(at),
      size: this.#number(at + PAIR_DATA_SIZE),
      items: this.#number(at + PAIR_ITEMS),
      name: this.#text(nameSize),
    };
  }

  #pair({ type: number, name, size, items }: PairHeader, depth: number): NvPair {
    const type = NAMES.get(number);
    if (type === undefined) throw unknownType(number);
    const isArray = type.endsWith("_array");
    if (isArray ? items === 0 : items !== 0) throw garbled("a pair's number of items is wrong");
    // Each item takes a byte at least.
    if (size > this.#left || items > this.#left) throw garbled("a pair is longer than the list");
    switch (type) {
      case "null":
        this.#sized(size, 0);
        return { name, type };
      case "bool":
        this.#sized(size, 1);
        return { name, type, value: this.#bool() };
      case "number":
        this.#sized(size, 8);
        return { name, type, value: this.#bigint() };
      case "string":
        return { name, type, value: this.#text(size) };
      case "nvlist": {
        const end = this.#at + size;
        const value = this.list(depth + 1, TYPE_UP);
        // The terminator is not counted.
        if (this.#at - (PAIR_BYTES + 1) !== end) throw garbled("a nested list's size is wrong");
        return { name, type, value };
      }
      case "binary":
        if (size === 0) throw garbled("a binary value is empty");
        return { name, type, value: this.#binary(size) };
      case "bool_array":
        this.#sized(size, items);
        return { name, type, value: times(items, () => this.#bool()) };
      case "number_array":
        this.#sized(size, 8 * items);
        return { name, type, value: times(items, () => this.#bigint()) };
      case "string_array":
        return { name, type, value: this.#texts(size, items) };
      case "nvlist_array":
        this.#sized(size, 0);
        return { name, type, value: times(items, () => this.list(depth + 1, TYPE_ARRAY_NEXT)) };
    }
  }

  get #left(): number {
    return this.#bytes.length - this.#at;
  }

  #skip(size: number): number {
    const at = this.#at;
    if (size > this.#left) throw garbled("the list is cut short");
    this.#at += size;
    return at;
  }

  #sized(size: number, expected: number): void {
    if (size !== expected) throw garbled("a value's size is wrong");
  }

  /** A size or a count. */
  #number(at: number): number {
    const value = this.#bytes.readBigUInt64LE(at);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw garbled("a size is too large");
    return Number(value);
  }

  #bool(): boolean {
    const value = this.#bytes.readUInt8(this.#skip(1));
    if (value > 1) throw garbled("a bool is neither true nor false");
    return value === 1;
  }

  #bigint(): bigint {
    return this.#bytes.readBigUInt64LE(this.#skip(8));
  }

  #binary(size: number): Uint8Array {
    const at = this.#skip(size);
    return Uint8Array.from(this.#bytes.subarray(at, at + size));
  }

  /** A text that fills its size but for the NUL. */
  #text(size: number): string {
    const at = this.#skip(size);
    if (size === 0 || this.#bytes.indexOf(0, at) !== at + size - 1)
      throw garbled("a text does not end with its size");
    try {
      return UTF8.decode(this.#bytes.subarray(at, at + size - 1));
    } catch {
      throw garbled("a text is not UTF-8");
    }
  }

  #texts(size: number, items: number): string[] {
    const end = this.#at + size;
    const texts = times(items, () => {
      const nul = this.#bytes.indexOf(0, this.#at);
      return this.#text(nul < 0 ? 0 : nul + 1 - this.#at);
    });
    if (this.#at !== end) throw garbled("the texts of an array do not fill it");
    return texts;
  }
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}

function unknownType(type: number): DcoError {
  if (type === TYPE_DESCRIPTOR || type === TYPE_DESCRIPTOR_ARRAY)
    return garbled("a list with descriptors is refused");
  return garbled(`type ${type} is unknown, or out of place`);
}

function garbled(problem: string): DcoError {
  return new DcoError("protocol", `the kernel's name-value list cannot be read: ${problem}`);
}
