/**
 * Loads a native package when it is first used.
 */
import { createRequire } from "node:module";

/**
 * Requires a package by name.
 *
 * A bundler that makes CommonJS of our ES modules leaves no `import.meta.url`, but there is a `__filename` then.
 */
export function requireNative(name: string): unknown {
  return createRequire(typeof __filename === "string" ? __filename : import.meta.url)(name);
}
