/**
 * Programs of `children/`, each in a process of its own at a site.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inTime } from "../expect.ts";
import type { Site, World } from "../world.ts";
import { namespaceOf } from "./raw.ts";

/** How a process ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Long enough to start Node on an emulated machine that does something else as well. */
const START_MS = 180_000;

const BUNDLER = fileURLToPath(new URL("bundle.ts", import.meta.url));
/** Below the package, where its dependencies are found. */
const BUILD = fileURLToPath(new URL("../../../build/", import.meta.url));

/** Beside a suite that is bundled itself. */
const BUNDLED = fileURLToPath(new URL("children/", import.meta.url));

/** Where the programs of this run are. */
let folder: string | undefined;

/**
 * Bundles the programs, once in a run, unless they are: on an emulated machine reading the sources one by one takes
 * each process some seconds.
 */
function programs(): string {
  if (folder === undefined && existsSync(BUNDLED)) folder = BUNDLED;
  if (folder !== undefined) return folder;
  mkdirSync(BUILD, { recursive: true });
  const made = mkdtempSync(join(BUILD, "children-"));
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  execFileSync(process.execPath, ["--no-warnings", BUNDLER, made]);
  folder = made;
  return made;
}

/** How to start a program at a site: command and arguments. */
function commandOf(site: Site, program: string, order: unknown, by: readonly string[] = []): string[] {
  const file = join(programs(), `${program}.mjs`);
  const namespace = `--net=/run/netns/${namespaceOf(site)}`;
  return ["nsenter", namespace, ...by, process.execPath, file, JSON.stringify(order)];
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_COMPILE_CACHE: join(programs(), "cache") };
}

/** Runs a program to its end while this process stands still; what it printed. */
export function runChildSync(site: Site, program: string, order: unknown): string {
  const [file = "", ...args] = commandOf(site, program, order);
  return execFileSync(file, args, { encoding: "utf8", env: environment(), timeout: START_MS });
}

/** How to start one. */
export interface ChildOptions {
  /** Programs that start it, such as `["unshare", "-Urn"]`. */
  readonly by?: readonly string[];
}

/** A running program. The world kills it at the end of the case. */
export class Child {
  readonly lines: string[] = [];
  readonly ended: Promise<ChildEnd>;
  readonly #process: ChildProcess;
  #stderr = "";
  #wakes: (() => void)[] = [];
  #end: ChildEnd | undefined;

  /** @param order what the program is told; as JSON */
  constructor(world: World, site: Site, program: string, order: unknown, options: ChildOptions = {}) {
    const [file = "", ...args] = commandOf(site, program, order, options.by);
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], env: environment() });
    this.#process = child;
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      this.lines.push(...parts);
      for (const wake of this.#wakes.splice(0)) wake();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        this.#end = { code, signal };
        for (const wake of this.#wakes.splice(0)) wake();
        resolve(this.#end);
      });
    });
    this.ended.catch(() => {});
    world.onClose(async () => {
      if (this.#end === undefined) child.kill("SIGKILL");
      await this.ended;
    });
  }

  /** Of the process that was started; another's, if what started it made one. */
  get pid(): number {
    return this.#process.pid as number;
  }

  /** What it complained of. */
  get stderr(): string {
    return this.#stderr;
  }

  /** The rest of the next line that begins so. */
  async told(word: string): Promise<string> {
    const find = async () => {
      for (;;) {
        const line = this.lines.find((each) => each.startsWith(word));
        if (line !== undefined) return line.slice(word.length).trim();
        if (this.#end)
          throw new Error(
            `the process ended (${JSON.stringify(this.#end)}) without ${word}: ${this.#stderr}`,
          );
        await new Promise<void>((resolve) => this.#wakes.push(resolve));
      }
    };
    return inTime(find(), `waiting for ${word}`, START_MS);
  }

  /** How it ended, in time. */
  end(what: string): Promise<ChildEnd> {
    return inTime(this.ended, what, START_MS);
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }
}
