import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WireTracer } from "../../../src/core/trace.ts";
import type { Ffi } from "../../../src/ffi/index.ts";
import type { Posix } from "../../../src/ffi/posix.ts";
import { Stack } from "../../../src/freebsd/stack.ts";
import type { Sysctl } from "../../../src/freebsd/sysctl.ts";
import { Memory, type Recording, replayCalls } from "../../vectors/freebsd-recorder.ts";
import { runSession } from "../../vectors/freebsd-session.ts";

const file = new URL("../../vectors/freebsd-session.json", import.meta.url);
const RECORDING = JSON.parse(readFileSync(file, "utf8")) as Recording;
const { calls, log, pid, start } = RECORDING;

const ownPid = Object.getOwnPropertyDescriptor(process, "pid") as PropertyDescriptor;

// Names and marks of interfaces hold it.
beforeAll(() => Object.defineProperty(process, "pid", { ...ownPid, value: pid }));
afterAll(() => Object.defineProperty(process, "pid", ownPid));

function replay() {
  let addresses = 0n;
  const memory = new Memory(() => ++addresses << 20n);
  const posix = replayCalls(calls, memory);
  const system = {
    ffi: { addressOf: memory.addressOf } as Ffi,
    posix: posix as unknown as Posix,
    tracer: new WireTracer(undefined),
  };
  const stack = new Stack(system, undefined);
  stack.onLinks = () => () => {};
  const sysctl = {
    process: (id: number) => (id === pid ? { start: BigInt(start), isZombie: false } : undefined),
    readInt: () => 0,
  } as unknown as Sysctl;
  const nothing = async () => {};
  return { posix, parts: { stack, sysctl, posix, receive: nothing, wait: nothing, dropRights() {} } };
}

describe(`a session with a kernel, ${RECORDING.kernel}`, () => {
  test("every call is the one that was made, and its answer means the same", async () => {
    const { posix, parts } = replay();
    expect(await runSession(parts)).toEqual(log);
    expect(posix.left()).toBe(0);
  });

  const outcome = (step: string) => log.find((line) => line.startsWith(`${step}: `))?.slice(step.length + 2);

  test.each([
    ["createLink again", "exists  none"],
    ["addPeer on a socket that is not bound", "socket EINVAL none"],
    ["addPeer on a TCP socket", "socket EPROTOTYPE none"],
    ["addPeer on no socket", "socket ENOTSOCK none"],
    ["addPeer on nothing", "socket EBADF none"],
    ["addPeer on another socket", "socket EBUSY none"],
    ["addPeer of another family", "socket EINVAL none"],
    ["addPeer at an address without a route", "socket EHOSTUNREACH none"],
    ["addPeer 1 again", "exists EEXIST none"],
    ["swapKeys of none", "not-found ENOLINK none"],
    ["installKey of no peer", "not-found ENOENT none"],
    ["installKey of 31 bytes", "unsupported EOPNOTSUPP none"],
    ["installKey of 16 bytes for ChaCha20", "unsupported EINVAL none"],
    ["installKey of 33 bytes", "invalid E2BIG none"],
    ["installKey with a tail of 12 bytes", "invalid E2BIG none"],
    ["setPeer of no peer", "not-found ENOENT none"],
    ["removePeer again", "not-found ENOENT none"],
    ["setMode while up", "busy EBUSY none"],
    ["stats of an interface that is gone", "not-found ENXIO none"],
    ["addPeer without rights", "permission EPERM none"],
    ["installKey without rights", "permission EPERM none"],
    ["removePeer without rights", "permission EPERM none"],
    ["stats without rights", "permission EPERM none"],
    ["createLink without rights", "permission EPERM"],
    ["close without rights", "permission EPERM"],
  ])("%s: %s", (step, expected) => {
    expect(outcome(step)).toBe(expected);
  });

  test("and it holds what no other vector does: a session's events and counters", () => {
    const event = (what: string) => log.filter((line) => line.startsWith(`event, ${what}: `));
    expect(event("a forged packet from elsewhere")).toEqual([]);
    expect(event("a packet from elsewhere").join()).toContain('"address":"127.0.0.1","port":40002');
    expect(event("nothing came for too long").join()).toContain('"reason":"expired"');
    expect(event("more removals than the kernel tells").at(-1)).toContain('"type":"overflow"');
    expect(outcome("stats of many")).toBe("40");
    // The second answer had room for them.
    expect(calls.filter(({ refused }) => refused === "ENOSPC").length).toBeGreaterThan(0);
  });
});
