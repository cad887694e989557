/**
 * JavaScript functions that native code calls, from this thread and from others.
 */
import { beforeAll, describe, expect, it, vi } from "vitest";
import { type Ffi, loadFfi, type NativeLibrary, THIS_PROCESS } from "../../../src/ffi/index.ts";
import { HANGS_MS, runChild } from "./child.ts";

// Programs that are started here have until then; a loaded machine is slow.
vi.setConfig({ testTimeout: 2 * HANGS_MS });

describe.runIf(process.platform !== "win32")("koffi", () => {
  let ffi: Ffi;
  let libc: NativeLibrary;

  beforeAll(() => {
    ffi = loadFfi("koffi");
    libc = ffi.library([THIS_PROCESS]);
  });

  /** Calls an address on a thread that JavaScript did not make, and waits for it off the event loop. */
  async function onForeignThread(pointer: bigint, argument: number | bigint): Promise<void> {
    const create = libc.func("pthread_create", "i32", ["buffer", "pointer", "pointer", "pointer"]);
    const join = libc.func("pthread_join", "i32", ["pointer", "pointer"]);
    const thread = Buffer.alloc(8);
    expect(create(thread, 0, pointer, argument)).toBe(0);
    expect(await join.async(thread.readBigUInt64LE(0), 0)).toBe(0);
  }

  function sort(values: number[], compare: (a: number, b: number) => number): number[] {
    const memory = ffi.allocate(4 * values.length);
    const array = new Int32Array(memory.bytes.buffer, memory.bytes.byteOffset, values.length);
    array.set(values);
    const at = (address: number | bigint) =>
      array[Number((address as bigint) - memory.address) / 4] as number;
    const callback = ffi.callback("i32", ["pointer", "pointer"], (a, b) => compare(at(a), at(b)));
    try {
      const qsort = libc.func("qsort", "void", ["pointer", "usize", "usize", "pointer"]);
      qsort(memory.address, values.length, 4, callback.pointer);
      return Array.from(array);
    } finally {
      callback.close();
      memory.free();
    }
  }

  it("calls back within a call, with addresses and a result", () => {
    const values = [5, -3, 9, 0, 2 ** 31 - 1, -(2 ** 31), 7, 7];
    expect(sort(values, (a, b) => Math.sign(a - b))).toEqual([...values].sort((a, b) => a - b));
    expect(sort(values, (a, b) => Math.sign(b - a))).toEqual([...values].sort((a, b) => b - a));
  });

  it("calls back from the pool thread of an async call", async () => {
    const memory = ffi.allocate(8);
    memory.bytes.writeInt32LE(2, 0);
    memory.bytes.writeInt32LE(1, 4);
    const callback = ffi.callback("i32", ["pointer", "pointer"], (a, b) => {
      const at = (address: number | bigint) =>
        memory.bytes.readInt32LE(Number((address as bigint) - memory.address));
      return at(a as bigint) - at(b as bigint);
    });
    const qsort = libc.func("qsort", "void", ["pointer", "usize", "usize", "pointer"]);
    expect(await qsort.async(memory.address, 2, 4, callback.pointer)).toBeUndefined();
    expect([memory.bytes.readInt32LE(0), memory.bytes.readInt32LE(4)]).toEqual([1, 2]);
    callback.close();
    memory.free();
  });

  it("throws what the callback threw, and works afterwards", () => {
    const failing = () => {
      throw new Error("from the callback");
    };
    expect(() => sort([2, 1], failing)).toThrow("from the callback");
    expect(sort([2, 1], (a, b) => a - b)).toEqual([1, 2]);
  });

  it("calls back from a foreign thread, on the event loop", async () => {
    const seen: unknown[] = [];
    const callback = ffi.callback("void", ["pointer"], (argument) => {
      seen.push(argument);
      return undefined;
    });
    await onForeignThread(callback.pointer, 42);
    await Promise.all([1, 2, 3].map((i) => onForeignThread(callback.pointer, i)));
    expect(seen[0]).toBe(42n);
    expect(seen.slice(1).sort()).toEqual([1n, 2n, 3n]);
    callback.close();
  });

  it.each([
    ["pointer", 2n ** 63n + 5n, 2n ** 63n + 5n],
    ["pointer", 0n, 0n],
    ["u64", 2n ** 64n - 1n, 2n ** 64n - 1n],
    ["u64", 7n, 7],
    ["usize", 2n ** 63n, 2n ** 63n],
    ["i64", 2n ** 64n - 1n, -1],
    ["u32", 0xffffffffn, 0xffffffff],
    ["i32", 0xffffffffn, -1],
  ] as const)("gives a %s of %d as %d", async (type, given, expected) => {
    const seen: unknown[] = [];
    const callback = ffi.callback("void", [type], (argument) => {
      seen.push(argument);
      return undefined;
    });
    await onForeignThread(callback.pointer, given);
    callback.close();
    expect(seen).toEqual([expected]);
  });

  it("refuses a closed callback's pointer, and closes twice", () => {
    const callback = ffi.callback("void", [], () => undefined);
    callback.close();
    callback.close();
    expect(() => callback.pointer).toThrow(expect.objectContaining({ code: "closed" }));
  });

  it("does nothing for a native thread that comes late", async () => {
    let calls = 0;
    const callback = ffi.callback("void", ["pointer"], () => {
      calls++;
      return undefined;
    });
    const { pointer } = callback;
    callback.close();
    await onForeignThread(pointer, 1);
    expect(calls).toBe(0);
  });

  it("does not use up addresses, nor uses one again at once", () => {
    const pointers = Array.from({ length: 10_000 }, () => {
      const callback = ffi.callback("void", ["i64", "i64"], () => undefined);
      const { pointer } = callback;
      callback.close();
      return pointer;
    });
    const distinct = new Set(pointers).size;
    expect(distinct).toBeGreaterThan(32);
    expect(distinct).toBeLessThan(100);
    expect(pointers[1]).not.toBe(pointers[0]);
  });

  it("is busy when koffi has no more addresses", async () => {
    const { lines, code } = await runChild("callbacks-used-up");
    expect({ lines, code }).toEqual({ lines: ["busy", "one more after closing: true"], code: 0 });
  });

  it("makes an error on a foreign thread an uncaught exception", async () => {
    const { lines, code, signal } = await runChild("callback-throws");
    expect({ lines, code, signal }).toEqual({
      lines: ["uncaught: from the callback", "joined 0"],
      code: 0,
      signal: null,
    });
  });
});
