/**
 * How the kernel describes what an attribute may be (enum netlink_policy_type_attr): in an extended
 * acknowledgement, and in answers to GETPOLICY.
 */

import type { Attributes, AttributeTable } from "./table.ts";

export const POLICY_ATTRIBUTES = {
  /** One of {@link POLICY_TYPES}. */
  type: { number: 1, type: "u32" },
  minValueSigned: { number: 2, type: "s64" },
  maxValueSigned: { number: 3, type: "s64" },
  minValue: { number: 4, type: "u64" },
  maxValue: { number: 5, type: "u64" },
  minLength: { number: 6, type: "u32" },
  maxLength: { number: 7, type: "u32" },
  /** Of a nest: the number of the policy that its attributes follow. */
  policyIndex: { number: 8, type: "u32" },
  /** Of a nest: the highest attribute number in that policy. */
  policyMaxType: { number: 9, type: "u32" },
  bitfield32Mask: { number: 10, type: "u32" },
  mask: { number: 12, type: "u64" },
} as const satisfies AttributeTable;

/** What an attribute may be. */
export type AttributePolicy = Attributes<typeof POLICY_ATTRIBUTES>;

/** Names of `AttributePolicy.type` (enum netlink_attribute_type), by number. */
export const POLICY_TYPES = [
  "invalid",
  "flag",
  "u8",
  "u16",
  "u32",
  "u64",
  "s8",
  "s16",
  "s32",
  "s64",
  "binary",
  "string",
  "nul-string",
  "nested",
  "nested-array",
  "bitfield32",
  "sint",
  "uint",
] as const;
