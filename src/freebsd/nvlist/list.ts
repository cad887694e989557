/**
 * Name-value lists of FreeBSD's libnv, as data. Order counts, and names are unique within a list.
 */

/** A list. */
export type NvList = readonly NvPair[];

/** A named value. Numbers have 64 bits; descriptors have no place here: the kernel panics on them. */
export type NvPair = { readonly name: string } & NvValue;

/** A value with its type. */
export type NvValue =
  | { readonly type: "null" }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "number"; readonly value: bigint }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "nvlist"; readonly value: NvList }
  | { readonly type: "binary"; readonly value: Uint8Array }
  | { readonly type: "bool_array"; readonly value: readonly boolean[] }
  | { readonly type: "number_array"; readonly value: readonly bigint[] }
  | { readonly type: "string_array"; readonly value: readonly string[] }
  | { readonly type: "nvlist_array"; readonly value: readonly NvList[] };

/** What the value of a type is. */
export type NvValueOf<T extends NvPair["type"]> =
  Extract<NvPair, { type: T }> extends { readonly value: infer V } ? V : undefined;

/** A number. */
export function nvNumber(name: string, value: number | bigint): NvPair {
  return { name, type: "number", value: BigInt(value) };
}

/** A text. */
export function nvString(name: string, value: string): NvPair {
  return { name, type: "string", value };
}

/** Bytes, one at least; they are not copied. */
export function nvBinary(name: string, value: Uint8Array): NvPair {
  return { name, type: "binary", value };
}

/** A list within a list. */
export function nvNested(name: string, value: NvList): NvPair {
  return { name, type: "nvlist", value };
}

/** The value of this name and type; undefined where there is none, as a wrong type is to the kernel. */
export function nvGet<T extends NvPair["type"]>(
  list: NvList,
  name: string,
  type: T,
): NvValueOf<T> | undefined {
  const pair = list.find((each) => each.name === name && each.type === type);
  return (pair as { value?: NvValueOf<T> } | undefined)?.value;
}
