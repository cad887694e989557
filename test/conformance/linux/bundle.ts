/**
 * A program: bundles the programs of `children/` into a folder.
 *
 * It is a process of its own because esbuild leaves threads and pipes in the one that uses it.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const children = fileURLToPath(new URL("../children/", import.meta.url));

buildSync({
  entryPoints: readdirSync(children).map((file) => join(children, file)),
  outdir: process.argv[2] as string,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  packages: "external",
  logLevel: "warning",
});
