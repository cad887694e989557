/**
 * The plain runner: its lines, its matrix, its counts.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Case, openStreamSubject, runConformance, userspaceHost } from "../../conformance/index.ts";

const folder = mkdtempSync(join(tmpdir(), "dcokit-report-"));
afterAll(() => rmSync(folder, { recursive: true }));

const open = (variant?: string) => openStreamSubject({ name: "mine", host: userspaceHost, variant });
const passes: Case = { group: "one", name: "passes", run: async () => {} };
const fails: Case = { group: "one", name: "fails", run: () => Promise.reject(new Error("because of that")) };
const lacks: Case = { group: "two", name: "lacks", needs: () => "it cannot", run: async () => {} };

describe("runConformance", () => {
  it("writes the matrix: one row for each subject, with all its rounds", async () => {
    const json = join(folder, "matrix.json");
    const lines: string[] = [];
    const cases = [passes, fails, lacks];
    const rounds = [
      { open: () => open(), cases },
      { open: () => open("again"), cases: [passes], variant: "again" },
    ];
    const result = await runConformance(rounds, { json, print: (line) => lines.push(line) });
    expect([result.passed, result.failed, result.skipped]).toEqual([2, 1, 1]);
    const { subjects } = JSON.parse(readFileSync(json, "utf8"));
    expect(subjects).toHaveLength(1);
    expect(Object.keys(subjects[0])).toEqual(["subject", "version", "capabilities", "cases"]);
    expect(subjects[0]).toMatchObject({ subject: "mine", capabilities: { systemInterface: false } });
    expect(subjects[0].cases).toEqual([
      { name: "one: passes", result: "pass" },
      { name: "one: fails", result: "fail", reason: expect.stringContaining("because of that") },
      { name: "two: lacks", result: "skip", reason: "it cannot" },
      { name: "one (again): passes", result: "pass" },
    ]);
    expect(lines[0]).toBe("TAP version 14");
    expect(lines).toContain("1..4");
    expect(lines).toContain("ok 3 - two: lacks # SKIP it cannot");
    expect(lines.find((line) => line.startsWith("not ok 2 - one: fails"))).toBeDefined();
    expect(lines.at(-1)).toBe("2 passed, 1 failed, 1 skipped");
  });

  it("runs what the filter leaves, and opens nothing for a round that is left empty", async () => {
    const rounds = [
      { open: () => open(), cases: [passes, fails] },
      { open: () => Promise.reject(new Error("was opened")), cases: [lacks] },
    ];
    const { report } = await runConformance(rounds, { filter: "passes", print: () => {} });
    expect(report.subjects.map(({ cases }) => cases)).toEqual([[{ name: "one: passes", result: "pass" }]]);
  });
});
