/**
 * Programs of the system.
 */
import { execFile } from "node:child_process";

/** Runs a program; its standard output. Fails with what it said. */
export function run(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { encoding: "utf8" }, (error, stdout, stderr) => {
      if (!error) resolve(stdout);
      else reject(new Error(`${file} ${args.join(" ")}: ${stderr.trim() || error.message}`));
    });
  });
}
