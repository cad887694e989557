/**
 * Builds `dist/esm` and `dist/cjs`: code by tsup, types by tsc (tsup's own types step does not work with
 * TypeScript 7).
 *
 * Each source file becomes one file at the same place, in both formats, so that the entry points share their
 * modules; the behaviour suite is one file. (tsup's `splitting` would do that too, but for CommonJS it passes the code through a second
 * compiler, which rewrites class fields.)
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { build, type Options } from "tsup";
import { buildConformance, placeOfTypes } from "./build-conformance.ts";
import { entryPoints, inRoot, programs } from "./paths.ts";

type Plugin = NonNullable<Options["esbuildPlugins"]>[number];

/** `ci/setup` builds again when a source is newer than this file. It is no part of the package. */
const stamp = inRoot("build", "dist.stamp");
const started = new Date();

/** Leaves imports of the other source files as imports, of what those become. */
const keepModules: Plugin = {
  name: "keep-modules",
  setup(build) {
    build.onResolve({ filter: /^\.\.?\/.*\.ts$/ }, ({ path, kind }) =>
      kind === "entry-point" ? undefined : { path: path.replace(/\.ts$/, ".js"), external: true },
    );
  },
};

async function buildCode(format: "esm" | "cjs"): Promise<void> {
  const outDir = inRoot("dist", format);
  const sources = globSync("src/**/*.ts").filter((path) => !path.endsWith(".d.ts"));
  await build({
    config: false,
    silent: true,
    entry: sources.map((path) => path.replaceAll("\\", "/")),
    format,
    outDir,
    outExtension: () => ({ js: ".js" }),
    tsconfig: inRoot("tsconfig.json"),
    target: "node22",
    platform: "node",
    esbuildPlugins: [keepModules],
    splitting: false,
    sourcemap: true,
    esbuildOptions(options) {
      if (format === "esm") return;
      options.define = { ...options.define, "import.meta.url": "importMetaUrl" };
      options.inject = [inRoot("ci", "import-meta-url.ts")];
    },
    removeNodeProtocol: false,
    external: ["koffi", "netlink", "ffi-rs"],
    dts: false,
  });
  // Without this marker Node would take the format of either folder from the package's own `type`.
  writeFileSync(
    join(outDir, "package.json"),
    `${JSON.stringify({ type: format === "esm" ? "module" : "commonjs" })}\n`,
  );
}

/** A relative import in a declaration; tsc leaves `.ts` in them, though there are only `.d.ts` files to find. */
const IMPORT = /(\bfrom\s*|\bimport\s*\(?\s*)(["'])(\.\.?\/[^"'\n]+)\.ts\2/g;

/** One text serves both formats: what it means is decided by the `package.json` beside it. */
function buildTypes(): void {
  const made = inRoot("build", "types");
  rmSync(made, { recursive: true, force: true });
  const tsc = inRoot("node_modules", "typescript", "bin", "tsc");
  const done = spawnSync(
    process.execPath,
    [tsc, "-p", inRoot("ci", "tsconfig.types.json"), "--outDir", made],
    { stdio: "inherit" },
  );
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`tsc ended with ${done.signal ?? done.status}`);
  const sources = globSync("src/**/*.d.ts", { cwd: made }).map((path) => inRoot(path));
  // Of the suite only what its entry point speaks of.
  const waiting = [...sources, inRoot("test", "conformance", "index.d.ts")];
  const seen = new Set(waiting);
  for (let source = waiting.pop(); source !== undefined; source = waiting.pop()) {
    const place = placeOfTypes(source);
    if (place === undefined) throw new Error(`${source} is no part of the package, but its types are needed`);
    const from = source;
    const text = readFileSync(join(made, relative(inRoot(), source)), "utf8").replace(
      IMPORT,
      (_, before: string, quote: string, path: string) => {
        const target = resolve(dirname(from), `${path}.d.ts`);
        if (!seen.has(target)) waiting.push(target);
        seen.add(target);
        const to = relative(dirname(place), placeOfTypes(target) ?? path).replace(/\.d\.ts$/, ".js");
        return `${before}${quote}${to.startsWith(".") ? to : `./${to}`}${quote}`;
      },
    );
    for (const format of ["esm", "cjs"]) {
      const path = inRoot("dist", format, place);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  }
  rmSync(made, { recursive: true, force: true });
}

/** The exports map must lead to what was built. */
function checkEntryPoints(): void {
  for (const [subpath, target] of entryPoints())
    for (const { types, default: code } of [target.import, target.require])
      for (const path of [types, code])
        if (!existsSync(inRoot(path)))
          throw new Error(`package.json: exports["${subpath}"] leads to ${path}, which was not built`);
}

process.chdir(inRoot());
rmSync(stamp, { force: true });
rmSync("dist", { recursive: true, force: true });
await buildCode("esm");
await buildCode("cjs");
await buildConformance();
buildTypes();
checkEntryPoints();
// npm does it where it installs the package; here it is for who starts it from a checkout.
for (const program of programs()) chmodSync(inRoot(program), 0o755);
mkdirSync("build", { recursive: true });
writeFileSync(stamp, "");
// A source that was saved while the build ran is newer than this.
utimesSync(stamp, started, started);
