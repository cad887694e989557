/** Cases that are run under Wine, and on Windows where they need no simulator. */

/** A case; it cleans up after itself. */
export interface Case {
  readonly group: string;
  readonly name: string;
  readonly timeoutMs?: number;
  run(): Promise<void>;
}

/** Time that a case gets. */
export const CASE_TIMEOUT_MS = 20_000;
