/**
 * docs/contract.md keeps up with the contract.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { capabilityTable, withFreshTable } from "../../ci/docs.ts";
import { inRoot } from "../../ci/paths.ts";
import { DCO_ERROR_CODES } from "../../src/core/errors.ts";
import { ovpnCapabilities } from "../../src/linux/capabilities.ts";

const page = readFileSync(inRoot("docs", "contract.md"), "utf8");
const contract = readFileSync(inRoot("src", "core", "contract.ts"), "utf8");
const model = readFileSync(inRoot("src", "core", "model.ts"), "utf8");

/** The text under a heading, up to the next one. */
function section(heading: string): string {
  const text = page.split(/^#{2,3} /m).find((part) => part.startsWith(`${heading}\n`));
  if (text === undefined) throw new Error(`docs/contract.md has no section "${heading}"`);
  return text;
}

/** The cells of a section's table rows, without the heading and the rule below it. */
function rows(heading: string): string[][] {
  const lines = section(heading)
    .split("\n")
    .filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}

const firstCells = (heading: string) => rows(heading).map(([first = ""]) => first.replaceAll("`", ""));

/** The methods that an interface of contract.ts declares. */
function methods(name: string): string[] {
  const body = contract.split(`export interface ${name} `)[1]?.split("\n}\n")[0] ?? "";
  return [...body.matchAll(/^ {2}(\w+)\(/gm)].map(([, method]) => method as string);
}

describe("docs/contract.md", () => {
  test("has the table of capabilities as the functions give it (else: node ci/docs.ts)", () => {
    expect(page).toBe(withFreshTable(page));
    expect(capabilityTable().split("\n")).toHaveLength(2 + Object.keys(ovpnCapabilities(true)).length);
  });

  test("a stale table is seen", () => {
    expect(withFreshTable(page.replace("| `survivesProcess` |", "| `survives` |"))).toBe(page);
  });

  test.each([
    ["Driver", "DcoDriver"],
    ["Interface", "DcoInterface"],
    ["Transport", "Transport"],
    ["Listener", "Listener"],
  ])("%s: every verb has a row, and no row is about nothing", (heading, name) => {
    const verbs = methods(name);
    expect(verbs.length).toBeGreaterThan(0);
    const others = ["openDriver", "local", "counters", "iteration"];
    expect(firstCells(heading).filter((cell) => !others.includes(cell))).toEqual(verbs);
  });

  test("every event has a row", () => {
    const union = model.split("export type DcoEvent =")[1]?.split(";\n\n")[0] ?? "";
    const types = [...union.matchAll(/readonly type: "([\w-]+)"/g)].map(([, type]) => type);
    expect(types.length).toBeGreaterThan(8);
    expect(firstCells("Events")).toEqual(types);
  });

  test("every error code has a row", () => {
    expect(firstCells("Errors")).toEqual([...DCO_ERROR_CODES]);
  });

  test("every backend has a cell in every row", () => {
    for (const heading of ["Driver", "Interface", "Transport", "Listener", "Events"]) {
      for (const row of rows(heading)) {
        expect(row, row[0]).toHaveLength(6);
        expect(row, row[0]).not.toContain("");
      }
    }
  });

  test("names only capabilities that there are", () => {
    const known = Object.keys(ovpnCapabilities(true));
    const named = [...page.matchAll(/(?:: |\()`([a-z]+[A-Z]\w+)`/g)].map(([, name]) => name as string);
    const verbs = ["DcoDriver", "DcoInterface", "Transport", "Listener"].flatMap(methods);
    const unknown = named.filter((name) => !known.includes(name) && !verbs.includes(name));
    expect(named.length).toBeGreaterThan(20);
    expect(unknown.filter((name) => !["droppedData"].includes(name))).toEqual([]);
  });
});
