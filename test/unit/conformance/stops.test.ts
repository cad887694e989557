/**
 * Cases that a subject lists as begun and stopped: nothing else is taken for that.
 */
import { expect, it } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import type { Case } from "../../conformance/case.ts";
import { openStreamSubject, runConformance, userspaceHost } from "../../conformance/index.ts";
import { NotHere } from "../../conformance/world.ts";

const theCase = (name: string, run: () => Promise<void>): Case => ({ group: "one", name, run });
const stopped = async () => {
  throw new NotHere("no card");
};
const refused = async () => {
  throw new DcoError("unsupported", "it cannot", { operation: "verb" });
};

async function results(cases: readonly Case[], stops: Readonly<Record<string, string>>) {
  const subject = await openStreamSubject({ name: "mine", host: userspaceHost });
  const listed = { ...subject, stops: new Map(Object.entries(stops)) };
  const rounds = [{ open: async () => listed, cases }];
  const { report } = await runConformance(rounds, { print: () => {} });
  return report.subjects.flatMap((each) => each.cases.map(({ result }) => result));
}

it("takes those for skipped that stop where they are said to", async () => {
  const cases = [theCase("a", stopped), theCase("b", refused)];
  expect(await results(cases, { "one: a": "no card", "one: b": "verb: it cannot" })).toEqual([
    "skip",
    "skip",
  ]);
});

it.each([
  ["is not listed", theCase("a", stopped), {}],
  ["is refused what is not listed", theCase("a", refused), {}],
  ["stops elsewhere", theCase("a", stopped), { "one: a": "no driver" }],
  ["passes", theCase("a", async () => {}), { "one: a": "no card" }],
  ["fails", theCase("a", () => Promise.reject(new Error("no card"))), { "one: a": "no card" }],
  ["is not run", { ...theCase("a", stopped), needs: () => "no" }, { "one: a": "no card" }],
])("fails one that %s", async (_what, each, stops: Record<string, string>) => {
  expect(await results([each], stops)).toEqual(["fail"]);
});
