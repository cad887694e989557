/**
 * The lists of what the Windows subject leaves out name cases that there are, each once.
 */
import { expect, test } from "vitest";
import { ALL_CASES } from "../../conformance/cases/index.ts";
import { EXCEPTIONS, STOPS, WITHOUT_CARD } from "../../conformance/windows/lists.ts";

const names = new Set(ALL_CASES.map(({ group, name }) => `${group}: ${name}`));
const listed = [EXCEPTIONS, WITHOUT_CARD, STOPS].flatMap((list) => [...list.keys()]);

test("every name is that of a case", () => {
  expect(listed.filter((name) => !names.has(name))).toEqual([]);
});

test("no case is in two lists", () => {
  expect(listed.filter((name, at) => listed.indexOf(name) !== at)).toEqual([]);
});
