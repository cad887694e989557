/**
 * Loads a native package when it is first used.
 */
import { createRequire } from "node:module";

/** Requires a package by name, from the ESM and from the CommonJS build. */
export function requireNative(name: string): unknown {
  // In the CommonJS build there is no import.meta, in ESM no __filename.
  return createRequire(typeof __filename === "string" ? __filename : import.meta.url)(name);
}
