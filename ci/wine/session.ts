/**
 * Wine: a prefix that is this run's alone, and programs in it.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cacheFolder } from "./cache.ts";
import { follow } from "./follow.ts";

/** Debian has no command in the path that is Wine itself. */
const WINE = "/usr/lib/wine/wine64";
const SERVER = ["wineserver64", "wineserver"].map((name) => join(dirname(WINE), name));

/** Seconds that making a prefix may take; it takes about eight. */
const PREFIX_SECONDS = 120;

const PREFIX = "prefix";

/** How a program of Windows ended. */
export interface ProgramEnd {
  readonly status: number | null;
  /** Undefined if it ended with status 0. */
  readonly problem: string | undefined;
}

export interface ProgramOptions {
  readonly seconds: number;
  readonly onLine: (line: string) => void;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Nothing of this machine's environment but what Wine needs. */
function environment(prefix: string): NodeJS.ProcessEnv {
  return {
    HOME: process.env["HOME"] ?? "/",
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    LC_ALL: "C.UTF-8",
    WINEPREFIX: prefix,
    WINEDEBUG: process.env["WINEDEBUG"] ?? "-all",
    // No questions about Mono and Gecko, no menu entries.
    WINEDLLOVERRIDES: "mscoree=;mshtml=;winemenubuilder.exe=",
  };
}

function runWine(prefix: string, args: readonly string[], what: string): void {
  const done = spawnSync(WINE, args, {
    env: environment(prefix),
    stdio: "ignore",
    timeout: PREFIX_SECONDS * 1000,
    killSignal: "SIGKILL",
  });
  if (done.error || done.status !== 0)
    throw new Error(`${what} failed: ${done.error?.message ?? done.signal ?? `status ${done.status}`}`);
}

/** Ends every program in the prefix, and waits for it. */
function endAll(prefix: string): void {
  const server = SERVER.find((path) => existsSync(path)) ?? "wineserver";
  for (const how of ["-k", "-w"])
    spawnSync(server, [how], {
      env: environment(prefix),
      stdio: "ignore",
      timeout: 20_000,
      killSignal: "SIGKILL",
    });
}

/** A prefix as Wine makes it, for this version of it: made once. */
function freshPrefix(): string {
  const version = spawnSync(WINE, ["--version"], {
    env: environment("/nonexistent"),
    encoding: "utf8",
  }).stdout;
  const kept = join(cacheFolder(), `prefix-${version.trim().replace(/[^\w.]+/g, "-")}`);
  if (existsSync(kept)) return kept;
  const partial = `${kept}.${process.pid}`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    runWine(partial, ["wineboot", "--init"], "making a Wine prefix");
    // Node refuses to start on the version that Wine takes itself for.
    runWine(partial, ["winecfg", "-v", "win10"], "setting Wine's version of Windows");
  } finally {
    endAll(partial);
  }
  try {
    renameSync(partial, kept);
  } catch {
    // Another run was quicker.
    rmSync(partial, { recursive: true, force: true });
  }
  return kept;
}

/** Copies it: 700 MB, so by links to the files that nothing writes to. */
function copyPrefix(from: string, to: string): void {
  const linked = spawnSync("cp", ["-a", "--link", from, to], { stdio: "ignore" });
  if (linked.status !== 0) {
    rmSync(to, { recursive: true, force: true });
    const copied = spawnSync("cp", ["-a", "--reflink=auto", from, to], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    if (copied.status !== 0) throw new Error("the Wine prefix could not be copied");
    return;
  }
  // The registry: Wine writes into a file that has several links.
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    rmSync(join(to, entry.name));
    copyFileSync(join(from, entry.name), join(to, entry.name));
  }
}

/** Folders of runs are named for the process; what one that was killed has left is ended and removed. */
export function makeRunFolder(base: string): string {
  mkdirSync(base, { recursive: true });
  for (const name of readdirSync(base)) {
    const pid = Number(/^run-(\d+)-/.exec(name)?.[1]);
    if (!pid || isAlive(pid)) continue;
    const old = join(base, name);
    if (existsSync(join(old, PREFIX))) endAll(join(old, PREFIX));
    rmSync(old, { recursive: true, force: true });
  }
  return mkdtempSync(join(base, `run-${process.pid}-`));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Wine at work, in the folder of one run. */
export class WineSession {
  readonly folder: string;
  readonly #prefix: string;
  readonly #children = new Set<ChildProcess>();
  #programs = 0;

  /** @param folder of this run, which the caller removes after {@link close} */
  constructor(folder: string) {
    this.folder = folder;
    this.#prefix = join(folder, PREFIX);
    copyPrefix(freshPrefix(), this.#prefix);
  }

  /**
   * Runs a program to its end, with a deadline. Its output goes to files, and from there line by line to `onLine`, while
   * it runs: Node under Wine cannot write to a Unix pipe.
   */
  async run(program: string, args: readonly string[], options: ProgramOptions): Promise<ProgramEnd> {
    const paths = ["out", "err"].map((kind) => join(this.folder, `program-${this.#programs}.${kind}`));
    this.#programs++;
    const [out, err] = paths.map((path) => openSync(path, "w")) as [number, number];
    const child = spawn(WINE, [program, ...args], {
      cwd: this.folder,
      env: { ...environment(this.#prefix), ...options.environment },
      stdio: ["ignore", out, err],
    });
    this.#children.add(child);
    closeSync(out);
    closeSync(err);
    const followed = paths.map((path) => follow(path, options.onLine));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, options.seconds * 1000);
    const end = await new Promise<ProgramEnd>((resolve) => {
      child.once("error", (error) => resolve({ status: null, problem: error.message }));
      child.once("close", (status, signal) => {
        if (late) resolve({ status, problem: `it did not end within ${options.seconds} s` });
        else
          resolve({
            status,
            problem: status === 0 ? undefined : `it ended with ${signal ?? `status ${status}`}`,
          });
      });
    });
    clearTimeout(timer);
    this.#children.delete(child);
    for (const { stop } of followed) stop();
    return end;
  }

  /** Starts a program that stays until {@link close}, and waits until it has made the file `ready`. */
  async keep(program: string, args: readonly string[], ready: string, seconds: number): Promise<void> {
    const lines: string[] = [];
    let ended: ProgramEnd | undefined;
    void this.run(program, args, { seconds: 3600, onLine: (line) => lines.push(line) }).then((end) => {
      ended = end;
    });
    const deadline = performance.now() + seconds * 1000;
    while (!existsSync(ready)) {
      if (ended) throw new Error([`${program}: ${ended.problem ?? "it ended"}`, ...lines].join("\n"));
      if (performance.now() > deadline) throw new Error(`${program} was not ready within ${seconds} s`);
      await sleep(50);
    }
  }

  /** Ends all that runs in it: Wine's server ends the programs, unless it is too slow at that and is killed itself. */
  close(): void {
    endAll(this.#prefix);
    for (const child of this.#children) child.kill("SIGKILL");
  }
}
