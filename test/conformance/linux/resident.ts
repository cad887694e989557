/**
 * A shell that lives in a network namespace and runs what it is told.
 *
 * Programs are started by it rather than by this process: that takes a fraction of the time, since Node is large
 * and each program would have to enter the namespace first.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A program that was started. */
export interface Job {
  /** What it has written so far, to either stream. */
  output(): string;
  signal(signal: NodeJS.Signals): Promise<void>;
  readonly ended: Promise<{ readonly status: number; readonly output: string }>;
}

interface Waiter {
  started(pid: number): void;
  ended(status: number): void;
}

/** See the module's comment. It ends when its standard input does: at the latest with this process. */
export class Resident {
  readonly #shell: ChildProcess;
  readonly #folder = mkdtempSync(join(tmpdir(), "dcokit-cases-"));
  readonly #waiters = new Map<number, Waiter>();
  readonly #started: Promise<void>;
  #last = 0;

  /** @param enter the command that enters the namespace, or what stands for one, and runs the rest there */
  constructor(namespace: string, enter = ["nsenter", `--net=/run/netns/${namespace}`]) {
    const [program = "", ...args] = enter;
    const shell = spawn(program, [...args, "sh", "-c", "echo ready; exec sh"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#shell = shell;
    this.#started = new Promise((resolve, reject) => {
      shell.once("error", reject);
      shell.once("exit", (code) => reject(new Error(`the shell in ${namespace} ended with ${code}`)));
      shell.stdout.once("data", () => resolve());
    });
    this.#started.catch(() => {});
    let rest = "";
    shell.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#onLine(line);
    });
  }

  /** Resolves when the shell is in the namespace. */
  ready(): Promise<void> {
    return this.#started;
  }

  /** Starts a command; one that is to be signalled begins with `exec`. */
  start(command: string): Job {
    const number = ++this.#last;
    const file = join(this.#folder, String(number));
    const read = () => readFileSync(file, "utf8");
    let onPid!: (pid: number) => void;
    const pid = new Promise<number>((resolve) => {
      onPid = resolve;
    });
    const ended = new Promise<{ status: number; output: string }>((resolve) => {
      this.#waiters.set(number, {
        started: onPid,
        ended: (status) => {
          const output = read().trim();
          rmSync(file);
          resolve({ status, output });
        },
      });
    });
    let over = false;
    void ended.then(() => {
      over = true;
    });
    this.#shell.stdin?.write(
      `( { ${command}\n} >'${file}' 2>&1 </dev/null & echo ${number} started $!; wait $!; echo ${number} ended $? ) &\n`,
    );
    return {
      ended,
      output: () => {
        try {
          return read();
        } catch {
          // Not yet begun.
          return "";
        }
      },
      signal: async (signal) => {
        const id = await pid;
        if (!over) process.kill(id, signal);
      },
    };
  }

  /** Runs a script to its end, or to its first failure, which throws. */
  async run(script: string): Promise<string> {
    const { status, output } = await this.start(`set -e\n${script}`).ended;
    if (status !== 0) throw new Error(`${script.trim()}: ${output || `status ${status}`}`);
    return output;
  }

  /** The names of the namespace's interfaces, without starting anything. */
  interfaces(): string[] {
    const table = readFileSync(`/proc/${this.#shell.pid}/net/dev`, "utf8");
    return [...table.matchAll(/^\s*([^\s:]+):/gm)].map((match) => match[1] as string);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#shell.once("close", resolve));
    this.#shell.stdin?.end();
    if (this.#shell.exitCode === null) await ended;
    this.removeFiles();
  }

  /** What can be done while the process exits. */
  removeFiles(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #onLine(line: string): void {
    const [number, what, value] = line.split(" ");
    const waiter = this.#waiters.get(Number(number));
    if (what === "started") waiter?.started(Number(value));
    if (what !== "ended") return;
    this.#waiters.delete(Number(number));
    waiter?.ended(Number(value));
  }
}
