import { expect, test } from "vitest";
import { birthName, ownMark, readMark } from "../../../src/freebsd/owner.ts";
import type { ProcessInfo, Sysctl } from "../../../src/freebsd/sysctl.ts";

const START = 1_790_000_000_123_456n;

function system(options: { jailed?: boolean; process?: ProcessInfo | undefined } = {}): Sysctl {
  const info = "process" in options ? options.process : { start: START, isZombie: false };
  return {
    readInt: () => (options.jailed ? 1 : 0),
    readText: () => undefined,
    process: (pid) => (pid === process.pid ? info : undefined),
    loadModule: () => {},
  };
}

test("the mark names the process, whether it lives, and the mode", () => {
  const mark = ownMark(system(), "multipeer");
  expect(readMark(system(), "ovpn0", mark)).toEqual({
    owner: { pid: process.pid, startTime: String(START), alive: true },
    mode: "multipeer",
  });
  const gone = [undefined, { start: START + 1n, isZombie: false }, { start: START, isZombie: true }];
  for (const info of gone) {
    expect(readMark(system({ process: info }), "ovpn0", mark)?.owner.alive).toBe(false);
  }
});

test("a process outside of our jail is taken to live", () => {
  const mark = ownMark(system(), "p2p");
  expect(readMark(system({ jailed: true, process: undefined }), "ovpn0", mark)?.owner.alive).toBe(true);
  const inside = ownMark(system({ jailed: true }), "p2p");
  expect(readMark(system({ jailed: true, process: undefined }), "ovpn0", inside)?.owner.alive).toBe(false);
});

test("a name that an interface has before its mark tells the process too, and leaves room for the number", () => {
  const name = birthName(system());
  expect(name).toMatch(/^ovpn[A-Za-z]{8}$/);
  for (const number of ["0", "17", "999"]) {
    expect(`${name}${number}`.length).toBeLessThanOrEqual(15);
    expect(readMark(system(), `${name}${number}`, undefined)?.owner).toMatchObject({
      pid: process.pid,
      alive: true,
    });
  }
  expect(readMark(system({ process: undefined }), `${name}0`, undefined)?.owner.alive).toBe(false);
});

test("what others wrote is no mark", () => {
  for (const text of [undefined, "", "uplink", "dcokit pid=1", "dcokit pid=1 start=2 jailed=2 mode=p2p"]) {
    expect(readMark(system(), "ovpn0", text)).toBeUndefined();
  }
});
