/**
 * Two backends in one world.
 */
import type { Capabilities } from "../../src/core/capabilities.ts";

/** What both can do, where a case asks the driver rather than an interface. */
export function bothOf(one: Capabilities, other: Capabilities): Capabilities {
  const both: Record<string, unknown> = { ...one };
  for (const [name, value] of Object.entries(other)) {
    const mine = both[name];
    if (typeof mine === "boolean") both[name] = mine && value;
    else if (Array.isArray(mine)) both[name] = mine.filter((each) => (value as unknown[]).includes(each));
  }
  // Either end may tell by looking.
  return { ...(both as unknown as Capabilities), floatEvent: one.floatEvent, eventQueue: undefined };
}
