/** Reads what the runners of cases print, for the summary. */
import type { Ended } from "./process.ts";
import { broken, type SuiteResult } from "./result.ts";
import type { Print } from "./side-by-side.ts";

/** Enough for what ci/vm/run prints of a kernel's fault. */
const LAST_WORDS = 80;

/** Prints the lines of a runner as they come, but for the closing one, whose counts the summary gives. */
export class ClosingLine {
  #counts: [passed: number, failed: number, skipped: number] | undefined;
  #kernel: string | undefined;
  readonly #omitted: string[] = [];
  readonly #failures: string[] = [];
  /** Names of cases, by why they were skipped. */
  readonly #skipped = new Map<string, string[]>();
  readonly #print: Print;
  readonly #printError: Print;
  #lastCase: string | undefined;
  readonly #errors: string[] = [];

  /** @param print where the lines go; by default each to the stream that it came from */
  constructor(print?: Print) {
    this.#print = print ?? console.log;
    this.#printError = print ?? console.error;
  }

  /** What {@link run} needs to be told. */
  readonly lines = {
    onLine: (line: string) => this.read(line),
    onErrorLine: (line: string) => this.readError(line),
  };

  readError(line: string): void {
    this.#errors.push(line);
    if (this.#errors.length > LAST_WORDS) this.#errors.shift();
    this.#printError(line);
  }

  read(line: string): void {
    const counts = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(line);
    // Only the last line counts: anything after it means that the runner went on.
    this.#counts = counts ? [Number(counts[1]), Number(counts[2]), Number(counts[3] ?? 0)] : undefined;
    this.#kernel ??= /^# kernel (\S+)$/.exec(line)?.[1];
    const omitted = /^# not run: (.+)$/.exec(line)?.[1];
    if (omitted !== undefined) this.#omitted.push(omitted);
    this.#lastCase = /^(?:not )?ok \d+ - (.+?)(?: # .*)?$/.exec(line)?.[1] ?? this.#lastCase;
    const failed = /^\s*not ok (?:\d+ )?- (.+?)(?: # time=\d+ms)?$/.exec(line)?.[1];
    if (failed !== undefined) this.#failures.push(failed);
    const skipped = /^\s*ok \d+ - (.+?) # SKIP ?(.*)$/i.exec(line);
    if (skipped) this.#skip(skipped[1] as string, skipped[2] || "no reason given");
    if (!counts) this.#print(line);
  }

  #skip(name: string, reason: string): void {
    const names = this.#skipped.get(reason);
    if (names) names.push(name);
    else this.#skipped.set(reason, [name]);
  }

  /** Cases that were skipped for the same reason in one line; their names are in the output. */
  #reasons(): string[] {
    return [...this.#skipped].map(([reason, [name, ...others]]) =>
      others.length === 0 ? `skipped: ${name}: ${reason}` : `${others.length + 1} cases skipped: ${reason}`,
    );
  }

  #lastWords(): string[] {
    const last =
      this.#lastCase === undefined ? "no case ended" : `the last case that ended: ${this.#lastCase}`;
    return [last, ...this.#errors];
  }

  result(ended: Ended): SuiteResult {
    const seen = {
      omitted: [...this.#omitted, ...this.#reasons()],
      failures: this.#failures,
      ...(this.#kernel === undefined ? {} : { kernel: this.#kernel }),
    };
    if (!this.#counts) {
      const note = `it printed no counts: ${ended.problem ?? "status 0"}`;
      return { ...broken(note), ...seen, lastWords: this.#lastWords() };
    }
    const [passed, failed, skipped] = this.#counts;
    if (passed + failed === 0) return { ...broken("no case was run"), skipped, ...seen };
    if (failed === 0 && ended.problem !== undefined) {
      const note = `no case failed, but ${ended.problem}`;
      return { passed, failed: 1, skipped, ...seen, note, lastWords: this.#lastWords() };
    }
    return { passed, failed, skipped, ...seen };
  }
}
