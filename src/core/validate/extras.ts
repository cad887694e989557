/**
 * Options of one platform alone, which the backend's rules check.
 */
import type { ExtraRules, Extras } from "../backend.ts";
import { invalid } from "../errors.ts";
import { type Fields, readFields } from "./shape.ts";

/**
 * The platform's own options among a verb's; options that nobody knows are refused.
 *
 * @param known the verb's common options
 */
export function validateExtras(
  options: unknown,
  rules: ExtraRules | undefined,
  known: readonly string[],
): Extras {
  if (options === undefined) return {};
  return pickExtras(readFieldsAndExtras(options, known, rules), rules);
}

/** Reads a verb's common options and the platform's. */
export function readFieldsAndExtras<const Name extends string>(
  options: unknown,
  known: readonly Name[],
  rules: ExtraRules | undefined,
): Fields<Name> {
  return readFields(options, [...known, ...Object.keys(rules ?? {})]);
}

/** The platform's options, checked by its rules. */
export function pickExtras(fields: Fields, rules: ExtraRules | undefined): Extras {
  const extras: Record<string, unknown> = {};
  for (const [name, problemOf] of Object.entries(rules ?? {})) {
    const value = fields[name];
    if (value === undefined) continue;
    const problem = problemOf(value);
    if (problem !== undefined) throw invalid(name, problem);
    extras[name] = value;
  }
  return extras;
}
