/**
 * Watching descriptors: koffi's handle behind the wrapper.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type FdWatcher,
  type Ffi,
  loadFfi,
  type NativeLibrary,
  THIS_PROCESS,
} from "../../../src/ffi/index.ts";
import { createPosix, type Posix } from "../../../src/ffi/posix.ts";
import { AF_INET, packSockaddr, SOCKADDR_BYTES } from "../../../src/ffi/sockaddr.ts";
import { HANGS_MS, runChild } from "./child.ts";

// Programs that are started here have until then; a loaded machine is slow.
vi.setConfig({ testTimeout: 2 * HANGS_MS });

const { EAGAIN } = constants.errno;
const SOCK_DGRAM = 2;
const O_NONBLOCK = process.platform === "freebsd" ? 4 : 0x800;

describe.runIf(process.platform === "linux" || process.platform === "freebsd")("koffi", () => {
  let ffi: Ffi;
  let posix: Posix;
  let libc: NativeLibrary;
  const watchers: FdWatcher[] = [];
  const descriptors: number[] = [];

  beforeAll(() => {
    ffi = loadFfi("koffi");
    posix = createPosix(ffi);
    libc = ffi.library([THIS_PROCESS]);
  });

  afterEach(() => {
    for (const watcher of watchers.splice(0)) watcher.close();
    for (const fd of descriptors.splice(0)) posix.close(fd);
  });

  function pipe(): [read: number, write: number] {
    const fds = Buffer.alloc(8);
    libc.func("pipe2", "i32", ["buffer", "i32"])(fds, O_NONBLOCK);
    const pair: [number, number] = [fds.readInt32LE(0), fds.readInt32LE(4)];
    descriptors.push(...pair);
    return pair;
  }

  function watch(...args: Parameters<Ffi["watchReadable"]>): FdWatcher {
    const watcher = ffi.watchReadable(...args);
    watchers.push(watcher);
    return watcher;
  }

  /** Watches, with a promise of the call that makes `n` of them. */
  function counted(fd: number, onCall: () => void = () => {}) {
    const waiting: { n: number; resolve: () => void }[] = [];
    const state = {
      calls: 0,
      reached: (n: number) =>
        new Promise<void>((resolve) => {
          if (state.calls >= n) resolve();
          else waiting.push({ n, resolve });
        }),
      watcher: watch(fd, () => {
        state.calls++;
        onCall();
        for (const each of waiting) if (state.calls >= each.n) each.resolve();
      }),
    };
    return state;
  }

  function readByte(fd: number): number {
    const read = libc.func("read", "isize", ["i32", "buffer", "usize"], { errno: true });
    return read(fd, Buffer.alloc(1), 1);
  }

  async function turns(n: number): Promise<void> {
    for (let i = 0; i < n; i++) await turn();
  }

  it("wakes for data, each time, and not without", async () => {
    const [reader, writer] = pipe();
    const state = counted(reader, () => readByte(reader));
    await turns(5);
    expect(state.calls).toBe(0);
    for (const n of [1, 2, 3]) {
      writeSync(writer, "x");
      await state.reached(n);
      await turns(5);
      expect(state.calls).toBe(n);
    }
  });

  it("wakes again for what was not read", async () => {
    const [reader, writer] = pipe();
    const state = counted(reader, () => readByte(reader));
    writeSync(writer, "xyz");
    await state.reached(3);
    await turns(5);
    expect([state.calls, readByte(reader)]).toEqual([3, -EAGAIN]);
  });

  it("goes on with promises that its call fulfils, with nothing else to do", async () => {
    const [reader, writer] = pipe();
    let resolve: () => void = () => {};
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    const order: string[] = [];
    promise.then(() => order.push("then"));
    watch(reader, () => {
      if (readByte(reader) < 0) return;
      resolve();
      setImmediate(() => order.push("immediate"));
    });
    writeSync(writer, "x");
    await promise;
    await turns(3);
    expect(order).toEqual(["then", "immediate"]);
  });

  it("stops when it is closed, also with a call under way or from within one", async () => {
    const [reader, writer] = pipe();
    const outside = counted(reader);
    writeSync(writer, "x");
    await outside.reached(1);
    outside.watcher.close();
    outside.watcher.close();
    const calls = outside.calls;
    await turns(10);
    expect(outside.calls).toBe(calls);
    const inside = counted(reader, () => inside.watcher.close());
    await inside.reached(1);
    await turns(10);
    expect(inside.calls).toBe(1);
  });

  it("leaves no descriptor behind", () => {
    const [reader] = pipe();
    const lowest = posix.fcntlDup(reader);
    posix.close(lowest);
    for (let i = 0; i < 200; i++) watch(reader, () => {}).close();
    // Nothing else of this process runs in between.
    const again = posix.fcntlDup(reader);
    posix.close(again);
    expect(again).toBe(lowest);
  });

  it("may watch one descriptor twice", async () => {
    const [reader, writer] = pipe();
    const first = counted(reader);
    const second = counted(reader);
    writeSync(writer, "x");
    await Promise.all([first.reached(1), second.reached(1)]);
    first.watcher.close();
    const before = second.calls;
    await second.reached(before + 1);
  });

  it("watches many", async () => {
    const pipes = Array.from({ length: 300 }, pipe);
    const states = pipes.map(([reader]) => counted(reader, () => readByte(reader)));
    for (const [i, [, writer]] of pipes.entries()) if (i % 3 === 0) writeSync(writer, "x");
    await Promise.all(states.filter((_, i) => i % 3 === 0).map((state) => state.reached(1)));
    await turns(3);
    expect(states.map(({ calls }) => calls)).toEqual(states.map((_, i) => (i % 3 === 0 ? 1 : 0)));
  });

  /** A UDP socket with an error pending: nobody has the port that it is connected to. */
  function refusedSocket(): { fd: number; send: () => void } {
    const address = Buffer.alloc(SOCKADDR_BYTES);
    const bound = () => {
      const fd = posix.socket(AF_INET, SOCK_DGRAM, 0);
      posix.bind(fd, packSockaddr({ address: "127.0.0.1", port: 0 }));
      return fd;
    };
    const gone = bound();
    const length = posix.getsockname(gone, address);
    const fd = bound();
    descriptors.push(fd);
    posix.connect(fd, address.subarray(0, length));
    posix.close(gone);
    return { fd, send: () => void posix.send(fd, Buffer.from("x"), 0) };
  }

  it("tells of an error, and watches on when it has been read", async () => {
    const { fd, send } = refusedSocket();
    const results: number[] = [];
    const state = counted(fd, () => results.push(posix.recv(fd, Buffer.alloc(1), 0)));
    for (const n of [1, 2, 3]) {
      send();
      await state.reached(n);
      await turns(5);
      expect(state.calls).toBe(n);
    }
    expect(results.every((result) => result < 0)).toBe(true);
    expect(new Set(results).size).toBe(1);
  });

  it("waits longer and longer while nobody reads an error, and still watches then", async () => {
    const { fd, send } = refusedSocket();
    const state = counted(fd, () => {
      if (state.calls === 4) posix.recv(fd, Buffer.alloc(1), 0);
    });
    send();
    await state.reached(4);
    await turns(5);
    expect(state.calls).toBe(4);
    send();
    await state.reached(5);
  });

  it("refuses what is not open, and what cannot be watched", () => {
    const [reader, writer] = pipe();
    descriptors.length = 0;
    posix.close(reader);
    posix.close(writer);
    expect(() => ffi.watchReadable(reader, () => {})).toThrow(
      expect.objectContaining({ code: "socket", native: expect.objectContaining({ name: "EBADF" }) }),
    );
    expect(() => ffi.watchReadable(-1, () => {})).toThrow(expect.objectContaining({ code: "socket" }));
    const file = openSync("/etc/hosts", "r");
    expect(() => ffi.watchReadable(file, () => {})).toThrow(
      expect.objectContaining({ code: "unsupported", capability: "ffi.fdWatcher" }),
    );
    closeSync(file);
  });

  describe("in a process of its own", () => {
    it("holds it while it is open", async () => {
      const feed = (line: string, fd3: NodeJS.WritableStream) => {
        if (line === "watching") fd3.end("x");
      };
      expect(await runChild("watcher-holds", [], feed)).toEqual({
        code: 0,
        signal: null,
        lines: ["watching", "woken"],
        stderr: "",
      });
    });

    it.each(["unref", "closed", "exit", "ready", "worker"])("lets it end: %s", async (how) => {
      expect(await runChild("watcher-ends", [how])).toEqual({
        code: 0,
        signal: null,
        lines: ["done"],
        stderr: "",
      });
    });

    it("survives the garbage collector without being referenced", async () => {
      expect(await runChild("watcher-collected")).toEqual({
        code: 0,
        signal: null,
        lines: ["woken 100 of 100"],
        stderr: "",
      });
    });
  });
});
