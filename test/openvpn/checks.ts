/**
 * Runs checks one after the other, each on what the one before it left, and counts them.
 */
import { inspect } from "node:util";
import { inTime } from "../conformance/expect.ts";

/** The longest that a check may take: a deadline against hanging. */
const LIMIT_MS = 150_000;

/** Prints a line for each check. */
export class Checks {
  /** Said before each name. */
  topic = "";
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  get failed(): number {
    return this.#failed;
  }

  /** Runs a check. One that fails does not keep the others from being run. */
  async check(name: string, body: () => Promise<void>): Promise<void> {
    const began = performance.now();
    try {
      await inTime(body(), name, LIMIT_MS);
    } catch (error) {
      this.fail(name, error);
      return;
    }
    this.#passed++;
    const time = Math.round(performance.now() - began);
    console.log(`ok ${this.#number()} - ${this.topic}: ${name} # time=${time}ms`);
  }

  /** Counts something as failed. */
  fail(name: string, error: unknown): void {
    this.#failed++;
    console.log(`not ok ${this.#number()} - ${this.topic}: ${name}`);
    const text = error instanceof Error ? inspect(error, { depth: 4 }) : String(error);
    console.log(text.replaceAll(/^/gm, "  "));
  }

  skip(name: string, reason: string): void {
    this.#skipped++;
    console.log(`ok ${this.#number()} - ${this.topic}: ${name} # SKIP ${reason}`);
  }

  /** The closing line; returns the exit status. */
  conclude(): number {
    console.log(`${this.#passed} passed, ${this.#failed} failed, ${this.#skipped} skipped`);
    return this.#failed > 0 || this.#passed === 0 ? 1 : 0;
  }

  #number(): number {
    return this.#passed + this.#failed + this.#skipped;
  }
}
