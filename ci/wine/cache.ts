/** Where what was fetched or made for Wine is kept, beyond one run. It may be deleted at any time. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { inRoot } from "../paths.ts";

/** Makes the folder. */
export function cacheFolder(): string {
  const folder = join(process.env["DCOKIT_CACHE"] ?? inRoot("build", "cache"), "wine");
  mkdirSync(folder, { recursive: true });
  return folder;
}
