/**
 * `dcokit/conformance`: the suite of test/conformance as one file, on top of the package's own modules.
 *
 * It is there once, as an ES module; what is required leads to it. Nobody's program loads it, so it must not make the
 * package much larger.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { build, type Plugin } from "esbuild";
import { inRoot } from "./paths.ts";

const SOURCES = inRoot("src");
const SUITE = inRoot("test", "conformance");

/** Imports of the package's sources stay imports, of what those become. */
const usePackage = (outfile: string): Plugin => ({
  name: "use-package",
  setup(pluginBuild) {
    pluginBuild.onResolve({ filter: /^\.\.?\/.*\.ts$/ }, ({ path, resolveDir }) => {
      const within = relative(SOURCES, resolve(resolveDir, path));
      if (within.startsWith("..")) return undefined;
      const target = inRoot("dist", "esm", within.replace(/\.ts$/, ".js"));
      return { path: relative(dirname(outfile), target).replaceAll("\\", "/"), external: true };
    });
  },
});

/** Writes the code of both formats. */
export async function buildConformance(): Promise<void> {
  const outfile = inRoot("dist", "esm", "conformance", "index.js");
  await build({
    entryPoints: [inRoot("test", "conformance", "index.ts")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node22",
    plugins: [usePackage(outfile)],
    logLevel: "warning",
  });
  const required = inRoot("dist", "cjs", "conformance");
  mkdirSync(required, { recursive: true });
  // Every Node in `engines` can require an ES module.
  writeFileSync(
    inRoot("dist", "cjs", "conformance", "index.js"),
    'module.exports = require("../../esm/conformance/index.js");\n',
  );
}

/** Where the types of a source file go, below `dist/esm`; undefined for what is no part of the package. */
export function placeOfTypes(source: string): string | undefined {
  const [ofSources, ofSuite] = [relative(SOURCES, source), relative(SUITE, source)];
  if (!ofSources.startsWith("..")) return ofSources;
  return ofSuite.startsWith("..") ? undefined : `conformance/${ofSuite}`;
}
