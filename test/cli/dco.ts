/**
 * The program `dco`, started as its users start it.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually, inTime } from "../conformance/expect.ts";

const BUNDLER = fileURLToPath(new URL("bundle.ts", import.meta.url));
const SOURCE = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const BUILD = fileURLToPath(new URL("../../build/", import.meta.url));

/** Time to start Node on an emulated machine that does something else as well. */
const START_MS = 60_000;

let program: string | undefined;

/** The bundled program. */
export function dcoProgram(): string {
  if (program !== undefined) return program;
  mkdirSync(BUILD, { recursive: true });
  const folder = mkdtempSync(join(BUILD, "dco-"));
  // Others than root are to run it too.
  chmodSync(folder, 0o755);
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  program = join(folder, "dco.mjs");
  execFileSync(process.execPath, ["--no-warnings", BUNDLER, SOURCE, program]);
  return program;
}

/** How a command ended. */
export interface Result {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** How to start a command. */
export interface StartOptions {
  /** What starts it, such as `["unshare", "-Ur"]`. */
  readonly by?: readonly string[];
  readonly input?: string;
}

/** A command that runs. */
export class Running {
  readonly ended: Promise<Result>;
  readonly #child: ChildProcess;
  #out = "";
  #err = "";
  #over = false;

  constructor(args: readonly string[], { by = [], input }: StartOptions = {}) {
    const [file = "", ...rest] = [...by, process.execPath, dcoProgram(), ...args];
    const child = spawn(file, rest, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    child.stdin.on("error", () => {});
    child.stdin.end(input ?? "");
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#err += text;
    });
    this.ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        this.#over = true;
        const status = code ?? -1;
        resolve({
          status,
          out: this.#out,
          err: signal === null ? this.#err : `${this.#err}killed by ${signal}`,
        });
      });
    });
  }

  /** Waits until it has written something. */
  async said(what: RegExp): Promise<string> {
    const read = () => `${this.#out}${this.#err}`;
    const text = await eventually(`${what}`, read, (said) => what.test(said) || this.#over, START_MS);
    if (!what.test(text)) throw new Error(`it ended without ${what}: ${text}`);
    return text;
  }

  /** Signals it, and waits for its end. */
  stop(signal: NodeJS.Signals): Promise<Result> {
    this.#child.kill(signal);
    return inTime(this.ended, `the end by ${signal}`, START_MS);
  }
}

/** Runs a command to its end. */
export function dco(args: readonly string[], options: StartOptions = {}): Promise<Result> {
  return inTime(new Running(args, options).ended, `dco ${args.join(" ")}`, START_MS);
}

/** Runs a command that must succeed; what it wrote. */
export async function dcoDone(...args: readonly string[]): Promise<string> {
  const { status, out, err } = await dco(args);
  if (status !== 0) throw new Error(`dco ${args.join(" ")} ended with ${status}: ${err || out}`);
  return out;
}

/** The same with `--json`: the first value. */
export async function dcoJson<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse((await dcoDone(...args, "--json")).split("\n", 1)[0] ?? "") as T;
}
