/**
 * The disk that carries the built package and the suite into a FreeBSD guest.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, relative, resolve } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { inRoot } from "../paths.ts";

/** Runs the suite inside; see guest.sh. */
const GUEST = inRoot("ci", "freebsd", "guest.sh");
const CONFORMANCE = inRoot("test", "conformance");

/** What is made for a run. */
export interface DiskOptions {
  /** `run`, the suite, or `capture`, which writes a session down. */
  readonly program: string;
  /** Arguments of the program. */
  readonly arguments: readonly string[];
  /** What the guest is to install by its own pkg; names with spaces between. */
  readonly packages: string;
  /** Node has no binary for FreeBSD on npm, Bun has: it is brought along, for guests without Node. */
  readonly bun: boolean;
}

/** Makes an ISO 9660 image of it; @returns its path. What npm fetches for it is kept in `packages`. */
export async function makeDisk(folder: string, packages: string, options: DiskOptions): Promise<string> {
  const content = join(folder, "content");
  rmSync(content, { recursive: true, force: true });
  mkdirSync(content, { recursive: true });
  cpSync(inRoot("dist"), join(content, "dist"), { recursive: true });
  await bundleSuite(join(content, "suite"));
  const { version } = JSON.parse(readFileSync(inRoot("node_modules", "koffi", "package.json"), "utf8"));
  const modules = join(content, "node_modules");
  cpSync(inRoot("node_modules", "koffi"), join(modules, "koffi"), {
    recursive: true,
    filter: (path) => !/[/\\](?:doc|vendor|lib)$/.test(path),
  });
  unpack(`@koromix/koffi-freebsd-x64@${version}`, packages, join(modules, "@koromix", "koffi-freebsd-x64"));
  if (options.bun) {
    unpack("@oven/bun-freebsd-x64", packages, join(content, "bun"));
    chmodSync(join(content, "bun", "bin", "bun"), 0o755);
  }
  cpSync(GUEST, join(content, "guest.sh"));
  writeFileSync(join(content, "program"), options.program);
  writeFileSync(join(content, "packages"), options.packages);
  writeFileSync(join(content, "arguments"), options.arguments.map((argument) => `${argument}\n`).join(""));
  const image = join(folder, "disk.iso");
  execFileSync("bsdtar", ["-c", "--format=iso9660", "-f", image, "-C", content, "."]);
  return image;
}

/** The runner and the programs that it starts, each in one file; what they use of the package is the package's. */
async function bundleSuite(outdir: string): Promise<void> {
  const programs = (folder: string) =>
    readdirSync(join(CONFORMANCE, folder)).map((file) => join(CONFORMANCE, folder, file));
  const options: BuildOptions = {
    bundle: true,
    format: "esm",
    platform: "node",
    external: ["koffi", "esbuild"],
    plugins: [usePackage],
    outExtension: { ".js": ".mjs" },
    logLevel: "warning",
  };
  const entries = {
    run: join(CONFORMANCE, "run.ts"),
    preload: join(CONFORMANCE, "bun", "preload.ts"),
    capture: inRoot("test", "vectors", "capture-freebsd-ovpn.ts"),
  };
  await build({ ...options, outdir, entryPoints: entries });
  const entryPoints = [...programs("children"), ...programs(join("freebsd", "children"))];
  await build({ ...options, outdir: join(outdir, "children"), entryPoints, entryNames: "[name]" });
}

/** Leads imports of the sources to what was built of them. */
const usePackage: Plugin = {
  name: "use-package",
  setup(pluginBuild) {
    const sources = inRoot("src");
    pluginBuild.onResolve({ filter: /^\.\.?\/.*\.ts$/ }, ({ path, resolveDir }) => {
      const within = relative(sources, resolve(resolveDir, path));
      if (within.startsWith("..")) return undefined;
      const built = inRoot("dist", "esm", within.replace(/\.ts$/, ".js"));
      if (!existsSync(built)) throw new Error(`${built} was not built`);
      const depth = pluginBuild.initialOptions.outdir?.endsWith("children") ? "../.." : "..";
      return { path: `${depth}/dist/esm/${within.replace(/\.ts$/, ".js")}`, external: true };
    });
  },
};

/** Fetches a package by npm, once, and unpacks it. */
function unpack(name: string, packages: string, target: string): void {
  const cache = join(packages, name.replaceAll(/[^\w.-]/g, "_"));
  if (!existsSync(cache) || readdirSync(cache).length === 0) {
    mkdirSync(cache, { recursive: true });
    execFileSync("npm", ["pack", "--silent", name, "--pack-destination", cache], { stdio: "inherit" });
  }
  mkdirSync(target, { recursive: true });
  const [archive = ""] = readdirSync(cache);
  execFileSync("bsdtar", ["-x", "-f", join(cache, archive), "-C", target, "--strip-components", "1"]);
}
