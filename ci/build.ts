/**
 * Builds `dist/esm` and `dist/cjs`: code by tsup, types by tsc (tsup's own types step does not work with
 * TypeScript 7).
 *
 * Each source file becomes one file at the same place, in both formats, so that the entry points share their
 * modules. (tsup's `splitting` would do that too, but for CommonJS it passes the code through a second
 * compiler, which rewrites class fields.)
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { build, type Options } from "tsup";
import { entryPoints, inRoot } from "./paths.ts";

type Plugin = NonNullable<Options["esbuildPlugins"]>[number];

/** `ci/setup` builds again when a source is newer than this file. It is no part of the package. */
const stamp = inRoot("build", "dist.stamp");
const started = new Date();

/** Of the backends that this release does not have there is only a plan, to which nothing leads. */
const PLANNED = /^src[/\\]windows/;

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
  const sources = globSync("src/**/*.ts").filter((path) => !path.endsWith(".d.ts") && !PLANNED.test(path));
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

/** One text serves both formats: what it means is decided by the `package.json` beside it. */
function buildTypes(): void {
  const esm = inRoot("dist", "esm");
  const tsc = inRoot("node_modules", "typescript", "bin", "tsc");
  const done = spawnSync(
    process.execPath,
    [tsc, "-p", inRoot("ci", "tsconfig.types.json"), "--outDir", esm],
    { stdio: "inherit" },
  );
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`tsc ended with ${done.signal ?? done.status}`);
  for (const name of globSync("**/*.d.ts", { cwd: esm })) {
    const path = join(esm, name);
    // tsc leaves `.ts` in the specifiers of declarations, though there are only `.d.ts` files to find.
    const text = readFileSync(path, "utf8").replace(
      /(\bfrom\s*|\bimport\s*\(?\s*)(["'])(\.\.?\/[^"'\n]+)\.ts\2/g,
      "$1$2$3.js$2",
    );
    writeFileSync(path, text);
    cpSync(path, inRoot("dist", "cjs", name));
  }
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
buildTypes();
checkEntryPoints();
mkdirSync("build", { recursive: true });
writeFileSync(stamp, "");
// A source that was saved while the build ran is newer than this.
utimesSync(stamp, started, started);
