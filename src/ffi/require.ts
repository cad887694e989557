/**
 * Loads a native package when it is first used.
 */
import { createRequire } from "node:module";

/** Requires a package by name. (The build has a stand-in for import.meta.url in CommonJS.) */
export function requireNative(name: string): unknown {
  return createRequire(import.meta.url)(name);
}
