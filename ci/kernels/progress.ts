/** Says how far a run over several kernels is, and how long it will take. */
import type { KernelResult } from "./results.ts";

/** Of a kernel that was never run here: minutes of an emulated machine on an idle host. */
const GUESS_SECONDS = 720;

/** How many cases it has where that is not known from an earlier run. */
const GUESS_CASES = 400;

/** Milliseconds between two lines. */
const EVERY_MS = 60_000;

/** See the module's comment. */
export class Progress {
  /** The lines of cases, for a run that did not come to its end. */
  cases: { readonly name: string; readonly result: "pass" | "fail" | "skip"; readonly reason: string }[] = [];
  readonly #names: readonly string[];
  readonly #earlier: ReadonlyMap<string, KernelResult>;
  #done = 0;
  #name = "";
  #began = 0;
  #told = 0;

  constructor(names: readonly string[], earlier: readonly KernelResult[]) {
    this.#names = names;
    this.#earlier = new Map(earlier.map((result) => [result.name, result]));
    const seconds = names.reduce((sum, name) => sum + this.#expected(name), 0);
    console.log(
      `# ${names.length} kernels, about ${minutes(seconds)} if this machine is as idle as it was before`,
    );
  }

  begin(name: string): void {
    this.#name = name;
    this.cases = [];
    this.#began = performance.now();
    this.#told = this.#began;
    console.log(`\n== ${name} (${this.#done + 1} of ${this.#names.length})`);
  }

  /** A line of the suite: failures are shown, the rest is counted. */
  line(line: string): void {
    const found = /^(not )?ok \d+ - (.+?)(?: # (?:SKIP (.*)|time=.*))?$/.exec(line);
    if (found) {
      const [, failed, name = "", skipped] = found;
      const result = failed ? "fail" : skipped === undefined ? "pass" : "skip";
      this.cases.push({ name, result, reason: skipped ?? "" });
      if (failed) console.log(line);
    } else if (/^(# kernel|Bail out| {2}(?!---|\.\.\.))/.test(line)) console.log(line);
    const now = performance.now();
    if (now - this.#told < EVERY_MS) return;
    this.#told = now;
    this.#tell(now);
  }

  end({ seconds, groups, problem }: KernelResult): void {
    this.#done++;
    const all = Object.values(groups);
    const sum = (at: 0 | 1 | 2) => all.reduce((count, counts) => count + counts[at], 0);
    console.log(
      `# ${this.#name}: ${sum(0)} passed, ${sum(1)} failed, ${sum(2)} skipped in ${minutes(seconds)}` +
        (problem ? `; ${problem}` : ""),
    );
  }

  #tell(now: number): void {
    const count = this.cases.length;
    const all = Math.max(this.#count(this.#name), count + 1);
    const spent = (now - this.#began) / 1000;
    // The first cases say little.
    const pace = count > 20 ? spent / count : this.#expected(this.#name) / all;
    const left = pace * (all - count);
    const others = this.#names.slice(this.#done + 1).reduce((sum, name) => sum + this.#expected(name), 0);
    const factor = Math.max(1, (pace * all) / this.#expected(this.#name));
    console.log(
      `# ${this.#name}: ${count} of about ${all} cases in ${minutes(spent)}, ${minutes(left)} left; ` +
        `all kernels: about ${minutes(left + others * factor)}`,
    );
  }

  #expected(name: string): number {
    return this.#earlier.get(name)?.seconds ?? GUESS_SECONDS;
  }

  #count(name: string): number {
    const groups = this.#earlier.get(name)?.groups;
    if (!groups) return GUESS_CASES;
    return Object.values(groups).reduce((sum, counts) => sum + counts[0] + counts[1] + counts[2], 0);
  }
}

function minutes(seconds: number): string {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
