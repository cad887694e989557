/** Where things are, for the scripts of this folder; they run from any working directory. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the checkout. */
export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** A path below the root of the checkout. */
export function inRoot(...parts: string[]): string {
  return join(root, ...parts);
}

/** The two conditions that each export of `package.json` has. */
export interface ExportTarget {
  readonly import: { readonly types: string; readonly default: string };
  readonly require: { readonly types: string; readonly default: string };
}

/** What the scripts read of `package.json`. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, ExportTarget | string>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
}

/** The package's own manifest. */
export function manifest(): Manifest {
  return JSON.parse(readFileSync(inRoot("package.json"), "utf8")) as Manifest;
}

/** The entry points, such as `.` and `./linux`, with their files; without `./package.json`. */
export function entryPoints(): [subpath: string, target: ExportTarget][] {
  return Object.entries(manifest().exports).filter(
    (entry): entry is [string, ExportTarget] => typeof entry[1] !== "string",
  );
}

/** The programs of the package, by their paths. */
export function programs(): string[] {
  return Object.values(manifest().bin);
}

/** The source of an entry point, as a path below the root. */
export function sourceOf(subpath: string): string {
  if (subpath === "./conformance") return "test/conformance/index.ts";
  return subpath === "." ? "src/index.ts" : `src/${subpath.slice("./".length)}/index.ts`;
}
