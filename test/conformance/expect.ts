/**
 * Assertions in the contract's words.
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import type { CapabilityName } from "../../src/core/capabilities.ts";
import { DcoError, type DcoErrorCode, type Effect } from "../../src/core/errors.ts";

/** What an error must say besides its code. */
export interface ExpectedError {
  readonly field?: string;
  readonly capability?: CapabilityName;
  readonly effect?: Effect;
  readonly operation?: string;
  readonly message?: RegExp;
}

/** The call must fail with this code; returns its error. */
export async function rejects(
  call: Promise<unknown> | (() => Promise<unknown>),
  code: DcoErrorCode,
  expected: ExpectedError = {},
): Promise<DcoError> {
  let result: unknown;
  try {
    result = await (typeof call === "function" ? call() : call);
  } catch (error) {
    checkError(error, code, expected);
    return error as DcoError;
  }
  throw new assert.AssertionError({
    message: `should have failed with ${code}, but gave ${inspect(result)}`,
    stackStartFn: rejects,
  });
}

/** As {@link rejects}, for an error at hand. */
export function checkError(error: unknown, code: DcoErrorCode, expected: ExpectedError = {}): void {
  if (!DcoError.is(error)) throw error;
  const context = `${error.code}: ${error.message}`;
  assert.equal(error.code, code, context);
  const { message, ...fields } = expected;
  for (const [field, value] of Object.entries(fields)) {
    assert.equal(error[field as keyof DcoError], value, `${field} of "${context}"`);
  }
  if (message) assert.match(error.message, message);
}

/** Fails with `what` unless `promise` settles in time: a deadline against hanging, not a measurement. */
export async function inTime<T>(promise: Promise<T>, what: string, milliseconds = 20_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing in ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer satisfies; fails with the last answer. */
export async function eventually<T>(
  what: string,
  ask: () => T | Promise<T>,
  satisfies: (answer: T) => boolean,
  milliseconds = 20_000,
): Promise<T> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    const answer = await ask();
    if (satisfies(answer)) return answer;
    if (performance.now() > deadline)
      throw new Error(`${what}: still ${inspect(answer, { depth: 4 })} after ${milliseconds} ms`);
    await pause(20);
  }
}

/** Waits; for pacing, never for correctness. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
