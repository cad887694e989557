/**
 * `dcokit/testing`: for tests of programs that use dcokit. Nothing of it belongs into a program.
 */
export type { Clock } from "../userspace/clock.ts";
export { VirtualClock } from "./clock.ts";
export { FAILING_VERBS, type FailingVerb, type Fate, Faults } from "./faults.ts";
export { type TestKeyOptions, testKeys } from "./keys.ts";
export { type OpenTestDriverOptions, openTestDriver } from "./open.ts";
