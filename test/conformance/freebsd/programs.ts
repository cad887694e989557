/**
 * Programs that the suite starts: bundled beside it, or as they are in the source.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The file of a program of `children`. */
export function program(name: string): string {
  const places = [`children/${name}.mjs`, `children/${name}.ts`, `../children/${name}.ts`];
  const files = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = files.find((file) => existsSync(file));
  if (found === undefined) throw new Error(`there is no program ${name} at ${files.join(", ")}`);
  return found;
}
