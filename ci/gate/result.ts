/** What a suite of `npm test` comes to. */

/** What a suite counted. */
export interface SuiteResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The kernel that was tested, as `uname -r` says; absent where the suite needs none. */
  readonly kernel?: string;
  /** What a reader of the summary should know, most of all why it failed. */
  readonly note?: string;
  /** What it left out, and why, one sentence each. */
  readonly omitted?: readonly string[];
  /** What failed, by name. */
  readonly failures?: readonly string[];
  /** Where it did not come to its end: the last lines that tell why. */
  readonly lastWords?: readonly string[];
}

/** A suite that could not say what it counted has failed. */
export function broken(note: string): SuiteResult {
  return { passed: 0, failed: 1, skipped: 0, note };
}
