/**
 * Exit statuses of `dco`: part of its interface, see docs/cli.md.
 */
import { DcoError, type DcoErrorCode } from "../core/errors.ts";

export const EXIT = {
  ok: 0,
  /** The answer to what was asked is no (`check`, `doctor`). */
  no: 1,
  usage: 2,
  notFound: 3,
  exists: 4,
  permission: 5,
  unavailable: 6,
  unsupported: 7,
  failed: 8,
  interrupted: 130,
} as const;

const BY_CODE: Partial<Record<DcoErrorCode, number>> = {
  invalid: EXIT.usage,
  "not-found": EXIT.notFound,
  exists: EXIT.exists,
  busy: EXIT.exists,
  permission: EXIT.permission,
  unavailable: EXIT.unavailable,
  unsupported: EXIT.unsupported,
  aborted: EXIT.interrupted,
};

/** The command line is wrong. */
export class UsageError extends Error {}

/** The status that an error ends with. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (DcoError.is(error)) return BY_CODE[error.code] ?? EXIT.failed;
  // What a signal throws by itself.
  if (error instanceof Error && error.name === "AbortError") return EXIT.interrupted;
  return EXIT.failed;
}
