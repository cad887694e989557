/** Debian's mingw. */
import { spawnSync } from "node:child_process";
import { inRoot } from "../paths.ts";

const COMPILER = "x86_64-w64-mingw32-gcc";
const FLAGS = ["-std=c17", "-O1", "-Wall", "-Wextra", "-Werror"];

/** The folder of the simulator's sources, in which the compiler is run. */
export const sources: string = inRoot("test", "windows", "driver");

/** Throws, with the compiler's messages, if that fails. */
export function compile(args: readonly string[]): void {
  const done = spawnSync(COMPILER, [...FLAGS, ...args], { cwd: sources, encoding: "utf8", timeout: 120_000 });
  if (done.error || done.status !== 0)
    throw new Error(`${COMPILER} failed: ${done.error?.message ?? done.stderr}`);
}
