/**
 * A thread on one processor, and back: on this machine's kernel, through both adapters.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createOneProcessor, takeFirst } from "../../../src/ffi/one-processor.ts";
import type { Ffi, NativeLibrary } from "../../../src/ffi/types.ts";

/** What the kernel says of the calling thread: such as `0-3`. */
const allowed = () =>
  /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/thread-self/status", "utf8"))?.[1] ?? "";

for (const name of ["koffi", "ffi-rs"] as const) {
  test.runIf(process.platform === "linux")(
    `a thread is on the first of its processors meanwhile, through ${name}`,
    () => {
      const oneProcessor = createOneProcessor(loadFfi(name));
      const before = allowed();
      const first = /^\d+/.exec(before)?.[0];
      const seen: string[] = [];
      const result = oneProcessor(() => {
        seen.push(allowed());
        oneProcessor(() => seen.push(allowed()));
        seen.push(allowed());
        return 7;
      });
      expect(result).toBe(7);
      expect(seen).toEqual([first, first, first]);
      expect(allowed()).toBe(before);
      expect(() =>
        oneProcessor(() => {
          throw new Error("no");
        }),
      ).toThrow("no");
      expect(allowed()).toBe(before);
    },
  );
}

/** A C library that answers so. */
function libcThat(answers: Record<string, (...args: never[]) => number>): Ffi {
  const library: Partial<NativeLibrary> = {
    has: (name) => name in answers,
    func: ((name: string) => answers[name]) as unknown as NativeLibrary["func"],
  };
  return { library: () => library } as unknown as Ffi;
}

test("where the system has no such calls, or refuses them, all runs where it runs", () => {
  const set: number[] = [];
  const fill = (_pid: number, _size: number, bytes: Uint8Array) => {
    bytes[0] = 6;
    return 8;
  };
  const refused = (_pid: number, _size: number, bytes: Uint8Array) => {
    set.push(bytes[0] as number);
    return -1;
  };
  const ffis = [
    libcThat({}),
    libcThat({ sched_getaffinity: () => -1, sched_setaffinity: refused }),
    libcThat({ sched_getaffinity: fill, sched_setaffinity: refused }),
  ];
  for (const ffi of ffis) expect(createOneProcessor(ffi)(() => 3)).toBe(3);
  // Asked once, for the second processor, and nothing had to be taken back.
  expect(set).toEqual([2]);
});

test("the first processor of a set", () => {
  const first = (...set: number[]) => {
    const found = new Uint8Array(set.length).fill(255);
    return takeFirst(Uint8Array.from(set), found) ? [...found] : undefined;
  };
  expect(first(0b1111, 0)).toEqual([1, 0]);
  expect(first(0b1100, 0b1)).toEqual([0b100, 0]);
  expect(first(0, 0b10000000, 1)).toEqual([0, 0b10000000, 0]);
  // One only, or none.
  expect(first(0, 0b1000)).toBeUndefined();
  expect(first(0, 0)).toBeUndefined();
});
