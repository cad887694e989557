/**
 * The suite under vitest, as those who write a backend run it; and what its adapter makes of a case that fails.
 */
import { afterAll, describe, expect, test } from "vitest";
import { type Case, cases, defineTests, openStreamSubject, userspaceHost } from "../../conformance/index.ts";

const open = (variant?: string) =>
  openStreamSubject({ name: "userspace", host: userspaceHost, haste: 5, variant });

const GROUPS = ["control packets", "keys", "rotation", "unsupported"];

describe("the userspace backend", async () => {
  const subject = await open();
  const chosen = cases.filter(({ group }) => GROUPS.includes(group));
  defineTests(subject, chosen, { test, afterAll });
});

describe("defineTests", () => {
  /** A runner that only takes notes. */
  function notes() {
    const runs = new Map<string, () => Promise<void>>();
    const skipped: string[] = [];
    const ends: (() => Promise<void>)[] = [];
    const take = (name: string, run: () => Promise<void>) => void runs.set(name, run);
    const skip = (name: string) => void skipped.push(name);
    const functions = {
      test: Object.assign(take, { skip }),
      afterAll: (run: () => Promise<void>) => void ends.push(run),
    };
    return { runs, skipped, ends, functions };
  }

  const fails: Case = {
    group: "group",
    name: "fails",
    async run() {
      throw new Error("on purpose");
    },
  };
  const leaves: Case = {
    group: "group",
    name: "fails twice",
    async run(world) {
      world.onClose(() => {
        throw new Error("not closed");
      });
      throw new Error("on purpose");
    },
  };
  const lacks: Case = { ...fails, name: "lacks", needs: () => "it cannot" };

  test("fails where the case fails, with all that failed, and skips with the reason", async () => {
    const { runs, skipped, ends, functions } = notes();
    defineTests(await open("again"), [fails, leaves, lacks], functions);
    expect([...runs.keys()]).toEqual(["group (again): fails", "group (again): fails twice"]);
    expect(skipped).toEqual(["group (again): lacks (it cannot)"]);
    await expect(runs.get("group (again): fails")?.()).rejects.toThrow("on purpose");
    await expect(runs.get("group (again): fails twice")?.()).rejects.toThrow(/on purpose[\s\S]*not closed/);
    expect(ends).toHaveLength(1);
    await ends[0]?.();
  });
});
