import { expect, test } from "vitest";
import { FREEBSD_RULES } from "../../../src/freebsd/backend.ts";
import { SIOCIFDESTROY } from "../../../src/freebsd/ioctl.ts";
import { removeLink } from "../../../src/freebsd/links.ts";
import type { Stack } from "../../../src/freebsd/stack.ts";
import { refuse } from "./fake-kernel.ts";

/** A stack that ends attempts to destroy an interface so, one after the other. */
function stackWith(...outcomes: (string | undefined)[]) {
  const stack = {
    async ioctlAsync(request: number) {
      expect(request).toBe(SIOCIFDESTROY);
      const outcome = outcomes.shift();
      if (outcome !== undefined) throw refuse(outcome);
    },
  } as unknown as Stack;
  return { stack, outcomes };
}

test("an interface whose packets are being encrypted is asked again to go", async () => {
  const { stack, outcomes } = stackWith("EBUSY", "EBUSY", undefined);
  await removeLink(stack, "ovpn0");
  expect(outcomes).toEqual([]);
});

test("one that is gone is no error, one that may not be destroyed is", async () => {
  await removeLink(stackWith("ENXIO").stack, "ovpn0");
  const refused = removeLink(stackWith("EPERM").stack, "ovpn0");
  await expect(refused).rejects.toMatchObject({ code: "permission", native: { name: "EPERM" } });
});

test.each(["a", "ovpn0", "dk.x-1_y", "A".repeat(15)])("%s is a name", (name) => {
  expect(FREEBSD_RULES.interfaceNameProblem(name)).toBeUndefined();
});

test.each(["", "1st", "-a", "a b", "a/b", "a\0", "a%d", "\u00e4", "a".repeat(16)])(
  "%j is no name",
  (name) => {
    expect(FREEBSD_RULES.interfaceNameProblem(name)).toMatch(/not|letter|longer/);
  },
);
