/**
 * The example of docs/write-a-backend.md passes the suite; pages.test.ts keeps the two the same.
 */
import { afterAll, describe, expect, it, test } from "vitest";
import { exampleHost, ROUNDS } from "../../../examples/backend/suite.ts";
import {
  type Case,
  cases,
  defineTests,
  openStreamSubject,
  runConformance,
  type Sites,
} from "../../conformance/index.ts";

/** Not "transports": those bind the same port of any address, and other tests run at the same time. */
const GROUPS = ["unsupported", "driver", "control packets", "peers", "keys", "protection"];

// docs-begin vitest
const subject = await openStreamSubject({ name: "example", host: exampleHost });

describe("the example backend", () => {
  // `cases` are all; here it is some of them.
  defineTests(subject, some(cases), { test, afterAll });
});
// docs-end

/** None that would be skipped: `npm test` lists those. */
function some(all: readonly Case[]): Case[] {
  const { capabilities, sites } = subject;
  return all.filter(
    ({ group, needs }) => GROUPS.includes(group) && needs?.(capabilities, sites as Sites) === undefined,
  );
}

describe("the example's runner", () => {
  it("has it talk to dcokit's own backend, either way round", async () => {
    const lines: string[] = [];
    const options = { filter: "carries IPv4 and IPv6 both ways", print: (line: string) => lines.push(line) };
    const { passed, failed, report } = await runConformance(ROUNDS, options);
    expect(failed, lines.join("\n")).toBe(0);
    expect(passed).toBe(18);
    expect(new Set(report.subjects.map(({ subject }) => subject))).toEqual(new Set(["example"]));
  });
});
