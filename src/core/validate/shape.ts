/**
 * The shapes of arguments: objects without unknown fields, and their plain values.
 *
 * Every refusal is an `invalid` with the path of the field. Values are told only where a caller of these
 * functions says so, since any field may hold a secret by mistake.
 */
import { type DcoError, invalid } from "../errors.ts";

/** The fields of a checked object, each read once; the others are undefined. */
export type Fields<Name extends string = string> = Readonly<Record<Name, unknown>>;

/** The largest value of a C `int`: descriptors, queue lengths and buffer sizes. */
export const INT_MAX = 0x7fffffff;

/** The largest value of an unsigned 32-bit integer. */
export const UINT32_MAX = 0xffffffff;

/** The path of a field within what `path` names; at the top it is the name alone. */
export function at(path: string | undefined, name: string): string {
  return path === undefined || path === "" ? name : `${path}.${name}`;
}

/** The same for a name that the caller made up: one that is no word stands in brackets, and is cut. */
function atAny(path: string | undefined, name: string): string {
  return /^\w{1,60}$/.test(name) ? at(path, name) : `${path ?? ""}[${quote(name)}]`;
}

/** What a value is, in words and without the value. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (Array.isArray(value)) return "an array";
  if (ArrayBuffer.isView(value)) return "bytes";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** A text for a message, in quotes and not too long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

function wrongKind(field: string, wanted: string, value: unknown): DcoError {
  return invalid(
    field,
    value === undefined ? `is missing; it must be ${wanted}` : `must be ${wanted}, not ${kindOf(value)}`,
  );
}

/**
 * Reads an object's known fields, and refuses it if it has others.
 *
 * @param path what the fields are in, or undefined for the top
 * @param whole how the object itself is called in messages
 */
export function readFields<const Name extends string>(
  value: unknown,
  known: readonly Name[],
  path?: string,
  whole: string = path || "options",
): Fields<Name> {
  const read = (given: Fields) => {
    const fields = {} as Record<Name, unknown>;
    for (const name of known) fields[name] = given[name];
    return fields;
  };
  return readShape(value, { names: known, read }, path, whole);
}

/** An object's fields, for arguments that come by the thousand: `read` copies each by its name. */
export interface Shape<Name extends string> {
  readonly names: readonly Name[];
  read(given: Fields<Name>): Fields<Name>;
}

/** As {@link readFields}. */
export function readShape<Name extends string>(
  value: unknown,
  { names, read }: Shape<Name>,
  path?: string,
  whole: string = path || "options",
): Fields<Name> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    throw wrongKind(whole, "an object", value);
  }
  let fields: Fields<Name>;
  let present: string[];
  try {
    present = Object.keys(value);
    fields = read(value as Fields<Name>);
  } catch (cause) {
    throw invalid(whole, "cannot be read", { cause });
  }
  for (const name of present) {
    if (!names.includes(name as Name)) throw invalid(atAny(path, name), `unknown option ${quote(name)}`);
  }
  return fields;
}

export function readString(value: unknown, field: string): string {
  if (typeof value !== "string") throw wrongKind(field, "a string", value);
  return value;
}

export function readBoolean(value: unknown, field: string): boolean {
  if (typeof value !== "boolean") throw wrongKind(field, "true or false", value);
  return value;
}

/** An integer within limits; both limits are allowed. */
export function readInteger(value: unknown, field: string, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
    return value === 0 ? 0 : value; // not -0
  }
  const wanted = `an integer from ${min} to ${max}`;
  if (typeof value !== "number") throw wrongKind(field, wanted, value);
  throw invalid(field, `must be ${wanted}, not ${value}`);
}

/** One of a few words. */
export function readChoice<T extends string>(value: unknown, field: string, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  const wanted = choices.map((choice) => JSON.stringify(choice)).join(" or ");
  if (typeof value !== "string") throw wrongKind(field, wanted, value);
  throw invalid(field, `must be ${wanted}`);
}

/** An array; its items are not checked. */
export function validateArray<T>(value: readonly T[], field: string): readonly T[];
export function validateArray(value: unknown, field: string): readonly unknown[];
export function validateArray(value: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw wrongKind(field, "an array", value);
  return value;
}
