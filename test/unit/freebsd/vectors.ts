/**
 * Bytes of the real libnv and of a real FreeBSD kernel, as data.
 */
import { readFileSync } from "node:fs";
import type { NvList, NvPair } from "../../../src/freebsd/nvlist/list.ts";

/** A pair as the vectors write it: numbers as decimal text, bytes in hex. */
export interface VectorPair {
  readonly name: string;
  readonly type: NvPair["type"];
  readonly value: unknown;
}

/** A list and its packed form in hex. */
export interface Vector {
  readonly name: string;
  readonly nvlist: readonly VectorPair[];
  readonly packed: string;
}

interface Captured {
  readonly kernel: string;
  readonly replies: readonly (Omit<Vector, "name"> & { readonly what: string; readonly ifd_cmd: number })[];
  readonly errors: readonly { readonly what: string; readonly result: string; readonly extra?: string }[];
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}`, import.meta.url), "utf8"));
}

/** Packed by libnv on a FreeBSD kernel of the 15.1 line. */
export const GOLDEN = read("freebsd-nvlist-golden.json") as readonly Vector[];

/** Replies of `if_ovpn`, and how calls ended, on that kernel. */
export const CAPTURED = read("freebsd-ovpn-captured.json") as Captured;

/** The bytes of a golden list. */
export function golden(name: string): Buffer {
  const vector = GOLDEN.find((each) => each.name === name);
  if (vector === undefined) throw new Error(`there is no vector ${name}`);
  return Buffer.from(vector.packed, "hex");
}

/** A vector's list in the codec's form. */
export function listOf(pairs: readonly VectorPair[]): NvList {
  return pairs.map(({ name, type, value }) => ({ name, type, value: readValue(type, value) }) as NvPair);
}

function readValue(type: NvPair["type"], value: unknown): unknown {
  switch (type) {
    case "null":
      return undefined;
    case "number":
      return BigInt(value as string);
    case "binary":
      return Uint8Array.from(Buffer.from(value as string, "hex"));
    case "nvlist":
      return listOf(value as VectorPair[]);
    case "number_array":
      return (value as string[]).map(BigInt);
    case "nvlist_array":
      return (value as VectorPair[][]).map(listOf);
    default:
      return value;
  }
}
