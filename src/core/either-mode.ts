/**
 * The capabilities of a driver whose modes differ.
 */
import type { Capabilities } from "./capabilities.ts";

/** What at least one of two modes can do: the larger number, all items of both lists, true before false. */
export function eitherMode(one: Capabilities, other: Capabilities): Capabilities {
  const both = Object.entries(one).map(([name, value]) => [
    name,
    either(value, other[name as keyof Capabilities]),
  ]);
  return Object.fromEntries(both) as Capabilities;
}

function either(one: unknown, other: unknown): unknown {
  if (Array.isArray(one) && Array.isArray(other)) return [...new Set([...one, ...other])];
  if (typeof one === "number" && typeof other === "number") return Math.max(one, other);
  return one === false || one === "none" ? other : one;
}
