/**
 * Shell examples: the block as it stands, by bash, with the program `dco` on the path.
 */
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { called } from "./stage.ts";

/** The folder of the bundles: this one. */
const BUILD = dirname(fileURLToPath(import.meta.url));

/** Commands that run until they are stopped, and after how many seconds they are, by Ctrl-C's signal. */
const ENDLESS = "'events --follow'* | 'top '*";
const STOPPED_AFTER = 10;

/** How a script is run. */
export interface ScriptOptions {
  /** What starts it, such as `nsenter`. */
  readonly by?: readonly string[];
  /** Files in its folder, which is its home as well. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Runs the script of a page, to its end; each command must succeed. What it wrote. */
export async function runScript(name: string, { by = [], files = {} }: ScriptOptions = {}): Promise<string> {
  called.add(name);
  const home = mkdtempSync(join(tmpdir(), "dcokit-example-"));
  try {
    const put = (file: string, text: string) => {
      mkdirSync(dirname(join(home, file)), { recursive: true });
      writeFileSync(join(home, file), text);
    };
    const dco = `"${process.execPath}" --no-warnings "${join(BUILD, "dco.mjs")}" "$@"`;
    put(
      "bin/dco",
      `#!/bin/sh
case "$*" in
  ${ENDLESS}) exec timeout --preserve-status --foreground -s INT ${STOPPED_AFTER} ${dco} ;;
esac
exec ${dco}
`,
    );
    chmodSync(join(home, "bin/dco"), 0o755);
    for (const [file, text] of Object.entries(files)) put(file, text);
    const code = readFileSync(join(BUILD, name), "utf8");
    const frame = `set -eu\ntrap 'for job in $(jobs -p); do kill $job; wait $job; done' EXIT\n${code}`;
    return await runBash([...by, "bash", "-c", frame], home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function runBash([file = "", ...args]: readonly string[], home: string): Promise<string> {
  const path = `${join(home, "bin")}:${process.env["PATH"]}`;
  const env = { ...process.env, PATH: path, HOME: home };
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: home, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.once("error", reject);
    child.once("close", (status, signal) => {
      if (status === 0) resolve(output);
      else reject(new Error(`it ended with ${signal ?? `status ${status}`}: ${output}`));
    });
  });
}
