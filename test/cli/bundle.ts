/**
 * A program: bundles another into one file, which starts in a fraction of the time on an emulated machine.
 *
 * It is a process of its own because esbuild leaves threads and pipes in the one that uses it.
 * Arguments: the source, and the file to write, below the package, where its dependencies are found.
 */
import { buildSync } from "esbuild";

const [source = "", outfile = ""] = process.argv.slice(2);

buildSync({
  entryPoints: [source],
  outfile,
  bundle: true,
  format: outfile.endsWith(".cjs") ? "cjs" : "esm",
  platform: "node",
  packages: "external",
  logLevel: "warning",
  // In CommonJS it is not reached, see src/ffi/require.ts.
  logOverride: { "empty-import-meta": "silent" },
});
