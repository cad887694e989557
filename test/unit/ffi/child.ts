/**
 * Runs a program of ./child in a process of its own: for what would take the test runner down with it.
 */
import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

/** How a program ended. */
export interface ChildResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lines: string[];
  readonly stderr: string;
}

/** Long enough for a loaded machine; a program that is still there then hangs. */
export const HANGS_MS = 30_000;

/**
 * Runs `child/NAME.ts`.
 *
 * @param onLine gets each line of its output, and the other end of its descriptor 3
 */
export function runChild(
  name: string,
  args: readonly string[] = [],
  onLine: (line: string, fd3: Writable) => void = () => {},
): Promise<ChildResult> {
  const file = fileURLToPath(new URL(`./child/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, ["--expose-gc", "--no-warnings", file, ...args], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    timeout: HANGS_MS,
    killSignal: "SIGKILL",
  });
  const lines: string[] = [];
  let rest = "";
  let stderr = "";
  const fd3 = child.stdio[3] as Writable;
  const out = child.stdout as Readable;
  const err = child.stderr as Readable;
  // The child may be gone when its descriptor is written to.
  fd3.on("error", () => {});
  out.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() as string;
    for (const line of parts) {
      lines.push(line);
      onLine(line, fd3);
    }
  });
  err.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, lines, stderr }));
  });
}
