/**
 * The cases as tests of vitest, or of another runner with the same few functions.
 */
import { inspect } from "node:util";
import { CASE_TIMEOUT_MS, type Case } from "./case.ts";
import { attemptCase, CLOSE_TIMEOUT_MS, caseName, whatIsMissing } from "./runner.ts";
import type { Subject } from "./world.ts";

/** What is used of the test runner: `import { afterAll, test } from "vitest"`. */
export interface TestFunctions {
  /** Defines a test. */
  readonly test: {
    /** @param timeout milliseconds */
    (name: string, run: () => Promise<void>, timeout: number): unknown;
    /** Defines a test that is skipped. */
    readonly skip: (name: string, run: () => void) => unknown;
  };
  /** Defines what is done after all tests. */
  readonly afterAll: (run: () => Promise<void>) => unknown;
}

/**
 * Makes a test of each case; those that the subject cannot be held to are skipped, with the reason in their name.
 *
 * Cases of one subject must not run at the same time: no `concurrent`. The subject is closed at the end.
 */
export function defineTests(
  subject: Subject,
  cases: readonly Case[],
  { test, afterAll }: TestFunctions,
): void {
  for (const each of cases) {
    const name = caseName(each, subject.variant);
    const missing = whatIsMissing(subject, each);
    if (missing !== undefined) {
      test.skip(`${name} (${missing})`, () => {});
      continue;
    }
    const run = async () => {
      const failures = await attemptCase(subject, each);
      if (failures.length === 1) throw failures[0];
      if (failures.length > 1)
        throw new AggregateError(failures, failures.map((error) => inspect(error)).join("\n"));
    };
    // The case has deadlines of its own, which say more.
    test(name, run, 2 * (each.timeoutMs ?? CASE_TIMEOUT_MS) + 2 * CLOSE_TIMEOUT_MS);
  }
  afterAll(() => subject.close());
}
