/**
 * `dcokit/conformance`: the behaviour that every backend must show, for anyone's backend.
 *
 * A subject is a driver with its surroundings. For a backend whose interfaces are streams of packets
 * {@link openStreamSubject} makes one; others write a {@link World}. {@link runConformance} is the plain runner,
 * {@link defineTests} makes tests of vitest. See docs/write-a-backend.md.
 */
export { CASE_TIMEOUT_MS, type Case, group } from "./case.ts";
export { PORTABLE_CASES as cases } from "./cases/portable.ts";
export { defineTests, type TestFunctions } from "./define-tests.ts";
export {
  type ConformanceReport,
  type Round,
  type RunOptions,
  type RunResult,
  runConformance,
  type SubjectReport,
} from "./report.ts";
export type { CaseResult } from "./runner.ts";
export { type MakeHost, type StreamHost, userspaceHost } from "./userspace/sites.ts";
export { openStreamSubject, type StreamSubjectOptions } from "./userspace/subject.ts";
export type {
  ClosableWorld,
  ForeignListener,
  ForeignOwner,
  ForeignSocket,
  ForeignStream,
  PingOptions,
  PingResult,
  RunningPing,
  Site,
  Sites,
  Subject,
  SystemInterface,
  World,
} from "./world.ts";
