/**
 * Runs cases against a subject, one after the other, and prints a line for each.
 */
import { inspect } from "node:util";
import { DcoError } from "../../src/core/errors.ts";
import { CASE_TIMEOUT_MS, type Case } from "./case.ts";
import { inTime } from "./expect.ts";
import { LeakCheck } from "./leaks.ts";
import { type ClosableWorld, NotHere, type Sites, type Subject } from "./world.ts";

/** What became of a case. */
export interface CaseResult {
  readonly name: string;
  readonly result: "pass" | "fail" | "skip";
  /** Why it failed, or was not run. */
  readonly reason?: string;
}

/** Time that a world gets to close. */
export const CLOSE_TIMEOUT_MS = 20_000;

/** Sites that can do all. */
const HOSTS: Sites = { system: true, movable: true };

/** How a case is called in a run. */
export function caseName({ group, name }: Pick<Case, "group" | "name">, variant: string | undefined): string {
  return `${group}${variant === undefined ? "" : ` (${variant})`}: ${name}`;
}

/** Why the subject cannot be held to a case, or undefined. */
export function whatIsMissing(subject: Subject, each: Case): string | undefined {
  return (
    subject.exceptions?.get(`${each.group}: ${each.name}`) ??
    each.needs?.(subject.capabilities, subject.sites ?? HOSTS)
  );
}

/**
 * Runs one case in a world of its own; what failed, the case first.
 *
 * @param leaks looks for what is left in this process
 */
export async function attemptCase(subject: Subject, each: Case, leaks?: LeakCheck): Promise<unknown[]> {
  const failures: unknown[] = [];
  const step = async (what: string, milliseconds: number, body: () => Promise<unknown>) => {
    await inTime(body(), what, milliseconds).catch((error: unknown) => failures.push(error));
  };
  let world: ClosableWorld | undefined;
  await step("the case", each.timeoutMs ?? CASE_TIMEOUT_MS, async () => {
    world = await subject.open();
    await each.run(world);
  });
  await step("closing after the case", CLOSE_TIMEOUT_MS, async () => world?.close());
  await step("looking for what the case left", CLOSE_TIMEOUT_MS, async () => {
    const found = [...(await subject.leftovers()), ...((await leaks?.found(each.name)) ?? [])];
    if (found.length > 0) throw new Error(`left behind: ${found.join(", ")}`);
  });
  return failures;
}

/** Numbers the lines of a run. */
export class Runner {
  readonly results: CaseResult[] = [];
  readonly #print: (line: string) => void;
  #astray: unknown[] = [];

  constructor(print: (line: string) => void = console.log) {
    this.#print = print;
  }

  /** Runs the cases against the subject. */
  async run(subject: Subject, cases: readonly Case[]): Promise<CaseResult[]> {
    const onAstray = (error: unknown) => this.#astray.push(error);
    process.on("unhandledRejection", onAstray);
    process.on("uncaughtException", onAstray);
    try {
      const leaks = await LeakCheck.begin();
      const results: CaseResult[] = [];
      for (const each of cases) results.push(await this.#one(subject, each, leaks));
      const left = await leaks.finish();
      if (left.length > 0) results.push(this.#leftAtTheEnd(subject, left));
      return results;
    } finally {
      process.removeListener("unhandledRejection", onAstray);
      process.removeListener("uncaughtException", onAstray);
    }
  }

  /** Does not run the cases, for one reason. */
  skip(cases: readonly Case[], variant: string | undefined, reason: string): CaseResult[] {
    return cases.map((each) => this.#report({ name: caseName(each, variant), result: "skip", reason }));
  }

  #leftAtTheEnd({ variant }: Subject, left: readonly string[]): CaseResult {
    const name = caseName({ group: "leaks", name: "nothing is left after the last case" }, variant);
    return this.#report({ name, result: "fail", reason: `left behind: ${left.join(", ")}` });
  }

  async #one(subject: Subject, each: Case, leaks: LeakCheck): Promise<CaseResult> {
    const name = caseName(each, subject.variant);
    const stop = subject.stops?.get(`${each.group}: ${each.name}`);
    const missing = whatIsMissing(subject, each);
    if (missing !== undefined) {
      if (stop === undefined) return this.#report({ name, result: "skip", reason: missing });
      return this.#report({
        name,
        result: "fail",
        reason: `it is listed as one that stops, and not run: ${missing}`,
      });
    }
    const began = performance.now();
    const failures = await attemptCase(subject, each, leaks);
    for (const error of this.#astray)
      failures.push(new Error("an error that nobody handled", { cause: error }));
    this.#astray = [];
    const time = Math.round(performance.now() - began);
    if (failures.length === 0) {
      if (stop === undefined) return this.#report({ name, result: "pass" }, time);
      return this.#report(
        { name, result: "fail", reason: `it passes, and is listed as one that stops: ${stop}` },
        time,
      );
    }
    const reason = failures.length === 1 ? whereItStops(failures[0], subject) : undefined;
    if (reason !== undefined && (subject.stops === undefined || reason === stop)) {
      return this.#report({ name, result: "skip", reason });
    }
    const unlisted = reason === undefined ? [] : [`it stops, and is not listed so: ${reason}`];
    const text = [...unlisted, ...failures.map(describe)].join("\n");
    return this.#report({ name, result: "fail", reason: text }, time);
  }

  #report(result: CaseResult, time?: number): CaseResult {
    this.results.push(result);
    const number = this.results.length;
    if (result.result === "skip") this.#print(`ok ${number} - ${result.name} # SKIP ${result.reason}`);
    else
      this.#print(
        `${result.result === "pass" ? "ok" : "not ok"} ${number} - ${result.name} # time=${time}ms`,
      );
    if (result.result === "fail") {
      this.#print("  ---");
      for (const line of (result.reason ?? "").split("\n")) this.#print(`  ${line}`);
      this.#print("  ...");
    }
    return result;
  }
}

/** Where a case has come to what this subject does not have; undefined where it has failed in another way. */
function whereItStops(failure: unknown, { isPartial, stops }: Subject): string | undefined {
  if (failure instanceof NotHere) return failure.message;
  if (!(isPartial || stops) || !DcoError.is(failure)) return undefined;
  // What a driver's capabilities refuse, and what Wine has no function for.
  const isLacking = failure.code === "unsupported" || / has no function /.test(failure.message);
  return isLacking ? `${failure.operation}: ${failure.message}` : undefined;
}

/** Message, stack and causes; node:assert has made the difference part of the message. */
function describe(error: unknown): string {
  return error instanceof Error ? inspect(error, { depth: 4, maxArrayLength: 50 }) : String(error);
}
