/**
 * What the seam promises, asked of both adapters. What an adapter lacks is asked to be `unsupported`.
 */
import { constants } from "node:os";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { type Ffi, loadFfi, type NativeLibrary, THIS_PROCESS } from "../../../src/ffi/index.ts";
import { HANGS_MS, runChild } from "./child.ts";

// Programs that are started here have until then; a loaded machine is slow.
vi.setConfig({ testTimeout: 2 * HANGS_MS });

const { EBADF, EAGAIN } = constants.errno;
const O_NONBLOCK = process.platform === "freebsd" ? 4 : 0x800;
/** libc by its file, where the process is not asked: FreeBSD, glibc, musl. */
const LIBC_FILES = ["libc.so.7", "libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
const U64_MAX = 2n ** 64n - 1n;

const adapters: Ffi["name"][] = process.platform === "linux" ? ["koffi", "ffi-rs"] : ["koffi"];

describe.runIf(process.platform !== "win32").each(adapters)("%s", (name) => {
  let ffi: Ffi;
  let libc: NativeLibrary;
  const opened: number[] = [];

  beforeAll(() => {
    ffi = loadFfi(name);
    libc = ffi.library([THIS_PROCESS]);
  });

  afterAll(() => {
    const close = libc.func("close", "i32", ["i32"]);
    for (const fd of opened) close(fd);
  });

  function pipe(flags = 0): [read: number, write: number] {
    const fds = Buffer.alloc(8);
    expect(libc.func("pipe2", "i32", ["buffer", "i32"])(fds, flags)).toBe(0);
    const pair: [number, number] = [fds.readInt32LE(0), fds.readInt32LE(4)];
    opened.push(...pair);
    return pair;
  }

  describe("libraries", () => {
    it("are the first that loads", () => {
      const library = ffi.library(["libno-such-thing.so.1", ...LIBC_FILES]);
      expect(library.func("getpid", "i32", [])()).toBe(process.pid);
    });

    it("are unavailable where none loads, naming all", () => {
      const names = ["libno-such-thing.so.1", "libneither.so.2"];
      let error: unknown;
      try {
        ffi.library(names);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(DcoError);
      expect(error).toMatchObject({ code: "unavailable" });
      for (const each of names) expect((error as Error).message).toContain(each);
      expect(() => ffi.library([])).toThrow(expect.objectContaining({ code: "invalid" }));
    });

    it("tell what they have", () => {
      for (const library of [libc, ffi.library(LIBC_FILES)]) {
        expect([library.has("getpid"), library.has("no_such_function")]).toEqual([true, false]);
      }
    });

    it("refuse a function that they lack when it is looked up", () => {
      expect(() => libc.func("no_such_function", "i32", [])).toThrow(
        expect.objectContaining({ code: "unavailable", target: "no_such_function" }),
      );
    });
  });

  describe("arguments and results", () => {
    it("are 32-bit integers", () => {
      const abs = libc.func("abs", "i32", ["i32"]);
      expect([abs(-5), abs(2 ** 31 - 1), abs(-(2 ** 31) + 1)]).toEqual([5, 2 ** 31 - 1, 2 ** 31 - 1]);
      // The sum of octets does not depend on the byte order; the top bit makes it negative if it is signed.
      expect(libc.func("htonl", "u32", ["u32"])(0xff0000ff)).toBe(0xff0000ff);
    });

    it("are exact 64-bit integers: numbers where they can be", () => {
      const llabs = libc.func("llabs", "i64", ["i64"]);
      expect(llabs(-5)).toBe(5);
      expect(llabs(-5n)).toBe(5);
      expect(llabs(-(2n ** 53n) + 1n)).toBe(Number.MAX_SAFE_INTEGER);
      expect(llabs(-(2n ** 62n) - 1n)).toBe(2n ** 62n + 1n);
      const parse = (type: "i64" | "u64", symbol: string, text: string) =>
        libc.func(symbol, type, ["string", "pointer", "i32"])(text, 0, 10);
      expect(parse("i64", "strtoll", "-9223372036854775808")).toBe(-(2n ** 63n));
      expect(parse("i64", "strtoll", "-42")).toBe(-42);
      expect(parse("u64", "strtoull", "18446744073709551615")).toBe(U64_MAX);
      expect(parse("u64", "strtoull", "42")).toBe(42);
      // As a u64, and back as one.
      expect(libc.func("llabs", "u64", ["u64"])(U64_MAX)).toBe(1);
      expect(libc.func("llabs", "u64", ["u64"])(2n ** 63n)).toBe(2n ** 63n);
    });

    it("are text", () => {
      expect(libc.func("strlen", "usize", ["string"])("h\u00e9llo")).toBe(6);
    });

    it("are nothing", () => {
      expect(libc.func("srand", "void", ["u32"])(1)).toBeUndefined();
    });

    it("are addresses", async () => {
      const bytes = Buffer.from("hello\0");
      const address = ffi.addressOf(bytes);
      expect(typeof address).toBe("bigint");
      const strlen = libc.func("strlen", "usize", ["pointer"]);
      expect([strlen(address), strlen(address + 2n), strlen(Number(address))]).toEqual([5, 3, 5]);
      const strchr = libc.func("strchr", "pointer", ["buffer", "i32"]);
      expect(strchr(bytes, 0x6c)).toBe(address + 2n);
      expect(await strchr.async(bytes, 0x6c)).toBe(address + 2n);
      expect(strchr(bytes, 0x7a)).toBe(0n);
    });

    it("are bytes that the callee reads and fills in place", () => {
      const memset = libc.func("memset", "pointer", ["buffer", "i32", "usize"]);
      const whole = Buffer.from("0123456789");
      memset(whole.subarray(3), 0x41, 2);
      expect(whole.toString()).toBe("012AA56789");
      // V8 keeps short typed arrays in its own heap until an address is asked for.
      const short = new Uint8Array(8);
      memset(short, 7, 3);
      expect(Array.from(short)).toEqual([7, 7, 7, 0, 0, 0, 0, 0]);
      const [readEnd, writeEnd] = pipe();
      const write = libc.func("write", "isize", ["i32", "buffer", "usize"]);
      expect(write(writeEnd, Buffer.from("abcdef").subarray(2), 3)).toBe(3);
      const read = libc.func("read", "isize", ["i32", "buffer", "usize"]);
      const got = Buffer.alloc(6);
      expect(read(readEnd, got, 6)).toBe(3);
      expect(got.toString("latin1")).toBe("cde\0\0\0");
    });

    it("are null for no bytes", () => {
      expect(libc.func("time", "i64", ["buffer"])(null)).toBeGreaterThan(1.7e9);
      expect(libc.func("memmove", "pointer", ["buffer", "buffer", "usize"])(null, null, 0)).toBe(0n);
    });

    it("are refused where the type is another", () => {
      const abs = libc.func("abs", "i32", ["i32"]);
      expect(() => abs("seven")).toThrow();
      expect(() => abs()).toThrow();
    });
  });

  describe("errno", () => {
    it("is that of the last synchronous call", () => {
      const close = libc.func("close", "i32", ["i32"]);
      expect(close(-1)).toBe(-1);
      expect(ffi.errno()).toBe(EBADF);
      const read = libc.func("read", "isize", ["i32", "buffer", "usize"]);
      expect(read(pipe(O_NONBLOCK)[0], Buffer.alloc(1), 1)).toBe(-1);
      expect(ffi.errno()).toBe(EAGAIN);
    });

    it("is the negative result of a call that asks for it, whatever the number of parameters", async () => {
      const options = { errno: true };
      const [empty, writeEnd] = pipe(O_NONBLOCK);
      const close = libc.func("close", "i32", ["i32"], options);
      const read = libc.func("read", "isize", ["i32", "buffer", "usize"], options);
      const send = libc.func("send", "isize", ["i32", "buffer", "usize", "i32"], options);
      const setsockopt = libc.func("setsockopt", "i32", ["i32", "i32", "i32", "buffer", "u32"], options);
      const six = ["i32", "buffer", "usize", "i32", "buffer", "u32"] as const;
      const sendto = libc.func("sendto", "isize", six, options);
      const bytes = Buffer.alloc(4);
      expect(close(-1)).toBe(-EBADF);
      expect(await close.async(-1)).toBe(-EBADF);
      expect(read(empty, bytes, 4)).toBe(-EAGAIN);
      expect(await read.async(empty, bytes, 4)).toBe(-EAGAIN);
      expect(send(-1, bytes, 4, 0)).toBe(-EBADF);
      expect(setsockopt(-1, 1, 1, bytes, 4)).toBe(-EBADF);
      expect(sendto(-1, bytes, 4, 0, null, 0)).toBe(-EBADF);
      const write = libc.func("write", "isize", ["i32", "buffer", "usize"], options);
      expect(write(writeEnd, bytes, 4)).toBe(4);
      expect(await read.async(empty, bytes, 4)).toBe(4);
    });

    it("needs a result that can be negative", () => {
      for (const result of ["void", "u32", "u64", "usize", "pointer"] as const) {
        expect(() => libc.func("getpid", result, [], { errno: true })).toThrow(
          expect.objectContaining({ code: "invalid", field: "options.errno" }),
        );
      }
    });
  });

  describe("async calls", () => {
    it("leave the event loop to others", async () => {
      const [readEnd, writeEnd] = pipe();
      const read = libc.func("read", "isize", ["i32", "buffer", "usize"], { errno: true });
      const write = libc.func("write", "isize", ["i32", "buffer", "usize"], { errno: true });
      const order: string[] = [];
      const got = Buffer.alloc(8);
      // It waits for what is written below: were it on this thread, this test would stop here.
      const reading = read.async(readEnd, got, 8).then((n) => order.push(`read ${n}`));
      await turn();
      order.push("turn");
      await turn();
      order.push(`write ${write(writeEnd, Buffer.from("ping"), 4)}`);
      await reading;
      expect(order).toEqual(["turn", "write 4", "read 4"]);
      expect(got.toString("latin1", 0, 4)).toBe("ping");
    });

    it("may be many at once", async () => {
      const abs = libc.func("abs", "i32", ["i32"]);
      const calls = Array.from({ length: 1000 }, (_, i) => abs.async(-i));
      expect(await Promise.all(calls)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    });

    it("reject for arguments that are wrong, and go on", async () => {
      const abs = libc.func("abs", "i32", ["i32"]);
      // Of the wrong type, and too few.
      const wrong = Array.from({ length: 300 }, (_, i) => (i % 2 ? abs.async("seven") : abs.async()));
      const settled = await Promise.allSettled(wrong);
      expect(settled.filter(({ status }) => status === "rejected")).toHaveLength(300);
      expect(await abs.async(-3)).toBe(3);
    });

    it("keep their arguments from the garbage collector", async () => {
      const { lines, code, signal, stderr } = await runChild("async-keeps-arguments", [name]);
      expect({ lines, code, signal, stderr }).toEqual({
        lines: ["while pending: kept", "read 4", "afterwards: collected"],
        code: 0,
        signal: null,
        stderr: "",
      });
    });

    it("end the process only when they have returned", async () => {
      const written = async (line: string, fd3: NodeJS.WritableStream) => {
        if (line === "pending") fd3.end("x");
      };
      const { lines, code, signal } = await runChild("async-at-exit", [name], written);
      expect({ lines, code, signal }).toEqual({
        lines: ["pending", "returned 1"],
        code: 0,
        signal: null,
      });
    });
  });

  describe("pinned memory", () => {
    it("is zeroed, at one address, and shared with native code", async () => {
      const memory = ffi.allocate(64);
      const { address, bytes } = memory;
      expect(bytes.equals(Buffer.alloc(64))).toBe(true);
      const memset = libc.func("memset", "pointer", ["pointer", "i32", "usize"]);
      expect(memset(address, 0x55, 64)).toBe(address);
      expect(bytes.equals(Buffer.alloc(64, 0x55))).toBe(true);
      await memset.async(address + 8n, 0xaa, 8);
      expect(bytes.toString("hex", 7, 17)).toBe(`55${"aa".repeat(8)}55`);
      expect([memory.address, ffi.addressOf(bytes)]).toEqual([address, address]);
      memory.free();
    });

    it("is zeroed when it is freed, and refused afterwards", () => {
      const memory = ffi.allocate(32);
      const { bytes } = memory;
      bytes.fill(0xff);
      memory.free();
      expect(bytes.equals(Buffer.alloc(32))).toBe(true);
      expect(() => memory.address).toThrow(expect.objectContaining({ code: "closed" }));
      expect(() => memory.bytes).toThrow(expect.objectContaining({ code: "closed" }));
      // Bytes that someone still has are no longer ours to touch.
      bytes.fill(1);
      memory.free();
      expect(bytes.equals(Buffer.alloc(32, 1))).toBe(true);
    });

    it.each([0, -1, 1.5, Number.NaN, 2 ** 53])("is not of %d bytes", (size) => {
      expect(() => ffi.allocate(size)).toThrow(expect.objectContaining({ code: "invalid", field: "size" }));
    });

    it("stays under pressure of the garbage collector until it is freed", async () => {
      const { lines, code, signal, stderr } = await runChild("pinned-stays", [name]);
      expect({ lines, code, signal, stderr }).toEqual({
        lines: ["address: same", "content: same", "unreferenced: kept", "freed: collected"],
        code: 0,
        signal: null,
        stderr: "",
      });
    });
  });

  describe("addressOf", () => {
    it("counts the offset", () => {
      const whole = Buffer.alloc(100);
      expect(ffi.addressOf(whole.subarray(40))).toBe(ffi.addressOf(whole) + 40n);
      const short = new Uint8Array(8);
      expect(ffi.addressOf(short)).toBe(ffi.addressOf(new Uint8Array(short.buffer)));
    });

    it("is 0 for no bytes", () => {
      expect(ffi.addressOf(new Uint8Array(0))).toBe(0n);
      expect(ffi.addressOf(Buffer.alloc(8).subarray(8))).toBe(0n);
    });
  });

  it("does what it says, and says so of the rest", () => {
    const attempts = {
      callbacks: () => ffi.callback("void", [], () => undefined).close(),
      foreignThreadCallbacks: undefined,
      fdWatcher: () => ffi.watchReadable(pipe()[0], () => {}).close(),
      lastError: () => ffi.lastError(),
      pinnedMemory: () => ffi.allocate(1).free(),
      async: undefined,
    } as const;
    for (const [feature, attempt] of Object.entries(attempts)) {
      if (ffi.features[feature as keyof typeof attempts]) attempt?.();
      else if (attempt) {
        expect(attempt).toThrow(
          expect.objectContaining({ code: "unsupported", capability: `ffi.${feature}` }),
        );
      }
    }
    expect(ffi.features).toEqual({
      async: true,
      pinnedMemory: true,
      callbacks: name === "koffi",
      foreignThreadCallbacks: name === "koffi",
      fdWatcher: name === "koffi",
      lastError: false,
    });
  });
});

describe("loading", () => {
  it("gives the same adapter again", () => {
    expect(loadFfi()).toBe(loadFfi("koffi"));
    expect(loadFfi().name).toBe("koffi");
  });

  it.runIf(process.platform !== "linux")("has ffi-rs on Linux only", () => {
    expect(() => loadFfi("ffi-rs")).toThrow(expect.objectContaining({ code: "unavailable" }));
  });

  it("happens with the first use, not with the import", async () => {
    const { lines, code, stderr } = await runChild("loads-lazily");
    expect({ lines, code, stderr }).toEqual({
      lines: ["imported: no koffi, no ffi-rs", "loaded: koffi, no ffi-rs"],
      code: 0,
      stderr: "",
    });
  });
});
