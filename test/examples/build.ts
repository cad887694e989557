/**
 * A program: makes programs of the pages' examples, in the folder below build that its argument names, `examples`
 * without one. Prints nothing if all is well.
 *
 * Their files are written as they stand in the pages, then checked by tsc against the package's exports, with the
 * scenes that run them; then they are bundled, `dcokit` being the sources: one file starts in a fraction of the time on
 * an emulated machine. All of it is a process of its own because esbuild leaves threads and pipes behind.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { entryPoints, inRoot, manifest, sourceOf } from "../../ci/paths.ts";
import { blocksOf, type ExampleFile, exampleFiles, pages, readPage } from "./blocks.ts";

const OUT = inRoot("build", process.argv[2] ?? "examples");
const PACKAGE = manifest().name;

/** `dcokit/linux` and its source. */
const sources = new Map(
  entryPoints().map(([subpath]) => [join(PACKAGE, subpath), inRoot(sourceOf(subpath))]),
);

function write(name: string, text: string): void {
  const path = join(OUT, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function writeFiles(files: readonly ExampleFile[]): void {
  rmSync(OUT, { recursive: true, force: true });
  for (const { name, code } of files) write(name, code);
  const modules = files.filter(({ name }) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  const names = (some: readonly ExampleFile[]) => JSON.stringify(some.map(({ name }) => name));
  write(
    "pages.ts",
    [
      ...modules.map(({ name }, at) => `import * as m${at} from "./${name}";`),
      `export const modules = { ${modules.map(({ name }, at) => `"${name}": m${at}`).join(", ")} } as const;`,
      `export const tests: readonly string[] = ${names(files.filter(({ name }) => name.endsWith(".test.ts")))};`,
      `export const scripts: readonly string[] = ${names(files.filter(({ name }) => name.endsWith(".sh")))};`,
      `export const kernelOnly: readonly string[] = ${names(files.filter(({ kernel }) => kernel))};`,
      "",
    ].join("\n"),
  );
  const paths = Object.fromEntries([...sources].map(([name, path]) => [name, [path]]));
  const config = {
    extends: inRoot("tsconfig.json"),
    compilerOptions: { paths: { ...paths, "#pages": [join(OUT, "pages.ts")] } },
    include: [OUT, inRoot("test", "examples", "run")],
    exclude: [],
  };
  write("tsconfig.json", JSON.stringify(config));
}

function checkTypes(): boolean {
  const args = [inRoot("node_modules", "typescript", "bin", "tsc"), "--project", join(OUT, "tsconfig.json")];
  return spawnSync(process.execPath, args, { stdio: "inherit", cwd: inRoot() }).status === 0;
}

async function bundle(files: readonly ExampleFile[]): Promise<void> {
  const tests = files.filter(({ name }) => name.endsWith(".test.ts"));
  await build({
    entryPoints: [
      { in: inRoot("test", "examples", "run", "main.ts"), out: "run" },
      { in: inRoot("src", "cli", "main.ts"), out: "dco" },
      ...tests.map(({ name }) => ({ in: join(OUT, name), out: name.replace(/\.ts$/, "") })),
    ],
    outdir: OUT,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node22",
    packages: "external",
    logLevel: "warning",
    plugins: [
      {
        name: "sources",
        setup({ onResolve }) {
          onResolve({ filter: /^(dcokit(\/|$)|#pages$)/ }, ({ path, importer }) => {
            if (path === "#pages") return { path: join(OUT, "pages.ts") };
            const fromPage = importer.startsWith(OUT) && !importer.endsWith(".test.ts");
            // Its `openDriver()` opens the driver of the place in which the example is run.
            if (path === PACKAGE && fromPage) return { path: inRoot("test", "examples", "run", "dcokit.ts") };
            return { path: sources.get(path) ?? "" };
          });
        },
      },
    ],
  });
}

const files = exampleFiles(pages().flatMap((page) => blocksOf(page, readPage(page))));
writeFiles(files);
if (checkTypes()) await bundle(files);
else process.exitCode = 1;
