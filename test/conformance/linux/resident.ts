/**
 * A process that lives in a network namespace: through it /proc shows the namespace without starting a program.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";

/** Does nothing until its standard input ends, which it does at the latest when this process ends. */
export class Resident {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static start(namespace: string): Promise<Resident> {
    const child = spawn("nsenter", [`--net=/run/netns/${namespace}`, "sh", "-c", "echo; exec cat"], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`nsenter into ${namespace} ended with ${code}`)));
      child.stdout.once("data", () => resolve(new Resident(child)));
    });
  }

  /** The names of the namespace's interfaces. */
  interfaces(): string[] {
    const table = readFileSync(`/proc/${this.#child.pid}/net/dev`, "utf8");
    return [...table.matchAll(/^\s*([^\s:]+):/gm)].map((match) => match[1] as string);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin?.end();
    await ended;
  }
}
