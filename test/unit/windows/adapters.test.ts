import { describe, expect, test } from "vitest";
import { isDriverPath } from "../../../src/windows/adapters.ts";
import { WINDOWS_RULES } from "../../../src/windows/backend.ts";
import { ownMark, readMark } from "../../../src/windows/owner.ts";

test("only a path with the driver's reference string is the driver's", () => {
  const device = "\\\\?\\ROOT#NET#0002#{cac88484-7515-4c03-82e6-71a87abac361}";
  expect(isDriverPath(`${device}\\ovpn-dco`)).toBe(true);
  expect(isDriverPath(`${device}\\OVPN-DCO`)).toBe(true);
  for (const path of [device, `${device}\\ovpn-dco-ver`, `${device}\\xovpn-dco\\y`, `${device}ovpn-dco`]) {
    expect(isDriverPath(path)).toBe(false);
  }
});

describe("the mark", () => {
  const system = (starts: Record<number, bigint>, hidden: number[] = []) => ({
    processStart: (pid: number) => starts[pid],
    isForeignProcess: (pid: number) => hidden.includes(pid),
  });

  test("tells who made an adapter, and whether he lives", () => {
    const mark = ownMark(system({ [process.pid]: 77n }));
    const owner = { pid: process.pid, startTime: "77" };
    expect(readMark(system({ [process.pid]: 77n }), mark)).toEqual({ ...owner, alive: true });
    // Another process has the id by now, or none.
    expect(readMark(system({ [process.pid]: 78n }), mark)).toEqual({ ...owner, alive: false });
    expect(readMark(system({}), mark)).toEqual({ ...owner, alive: false });
    // One that may not be seen is taken to live.
    expect(readMark(system({}, [process.pid]), mark)).toEqual({ ...owner, alive: true });
  });

  test.each([undefined, "", "dcokit pid=1", "dcokit pid=x start=1", "somebody pid=1 start=1"])(
    "%s is none",
    (mark) => {
      expect(readMark(system({}), mark)).toBeUndefined();
    },
  );
});

describe("names", () => {
  const problem = WINDOWS_RULES.interfaceNameProblem;

  test.each([
    "OpenVPN Data Channel Offload",
    "Ethernet 2",
    "ROOT\\NET\\0002",
    "{dc0dc0dc-0000-4000-8000-000000000001}",
  ])("%s", (name) => expect(problem(name)).toBeUndefined());

  test.each(["", " ", "a/b", "a\\b", "a:b", 'a"b', "a\tb", "x".repeat(257)])("%s is refused", (name) =>
    expect(problem(name)).toMatch(/not a name/),
  );
});
