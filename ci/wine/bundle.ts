/** Makes one file of a test program: node.exe under Wine starts that at once, and loads no other platform's packages. */
import { spawnSync } from "node:child_process";
import { inRoot } from "../paths.ts";

/** Returns the file. Packages stay outside; the file's folder has a `node_modules`. */
export function bundle(entry: string, file: string): string {
  const options = ["--bundle", "--format=esm", "--platform=node", "--target=node22", "--packages=external"];
  const done = spawnSync(
    process.execPath,
    [
      inRoot("node_modules", "esbuild", "bin", "esbuild"),
      ...options,
      "--log-level=warning",
      "--sourcemap=inline",
      `--outfile=${file}`,
      inRoot(entry),
    ],
    { stdio: ["ignore", "ignore", "inherit"], timeout: 60_000 },
  );
  if (done.error || done.status !== 0) throw new Error(`esbuild could not bundle ${entry}`);
  return file;
}
