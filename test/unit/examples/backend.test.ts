/**
 * docs/write-a-backend.md: its code is the example's, and the example passes the suite.
 */
import { readFileSync } from "node:fs";
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

const read = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8");

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

describe("the guide", () => {
  const page = read("docs/write-a-backend.md");
  const snippets = [...page.matchAll(/<!-- (\S+): (\w+) -->\n```ts\n(.*?)```/gs)];

  it("has code", () => expect(snippets.length).toBeGreaterThanOrEqual(6));

  it.each(snippets.map(([, file, name, code]) => [file, name, code]))(
    "%s: %s is the program",
    (file, name, code) => {
      const text = new RegExp(` *// docs-begin ${name}\n(.*?) *// docs-end`, "s").exec(
        read(file as string),
      )?.[1];
      expect(text).toBeDefined();
      const indent = /^ */.exec(text as string)?.[0] ?? "";
      expect(code).toBe(text?.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
    },
  );
});
