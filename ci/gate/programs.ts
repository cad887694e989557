/**
 * The suite as programs of one file each, for an emulated machine.
 *
 * Node strips types with WebAssembly, which takes long there and now and then crashes: see docs/development.md.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { inRoot } from "../paths.ts";

const SUITE = inRoot("test", "conformance");

/** Where they are. */
export interface SuitePrograms {
  /** Of test/conformance/run.ts. */
  readonly run: string;
  remove(): void;
}

/** Makes them, below the package, where its dependencies are found. */
export async function bundleSuite(): Promise<SuitePrograms> {
  const base = inRoot("build");
  mkdirSync(base, { recursive: true });
  const folder = mkdtempSync(join(base, "suite-"));
  const options: BuildOptions = {
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    packages: "external",
    outExtension: { ".js": ".mjs" },
    logLevel: "warning",
  };
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    await build({ ...options, outdir: folder, entryPoints: [join(SUITE, "run.ts")] });
    const children = join(SUITE, "children");
    const entryPoints = readdirSync(children).map((file) => join(children, file));
    // The suite looks for them there.
    await build({ ...options, outdir: join(folder, "children"), entryPoints });
  } catch (error) {
    remove();
    throw error;
  }
  return { run: join(folder, "run.mjs"), remove };
}
