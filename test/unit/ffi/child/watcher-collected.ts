/** Watchers that nobody holds, under garbage collection. */
import { setImmediate as turn } from "node:timers/promises";
import { loadFfi, THIS_PROCESS } from "../../../../src/ffi/index.ts";

const COUNT = 100;
const ffi = loadFfi("koffi");
const libc = ffi.library([THIS_PROCESS]);
const write = libc.func("write", "isize", ["i32", "buffer", "usize"]);
const pipe2 = libc.func("pipe2", "i32", ["buffer", "i32"]);
const writers: number[] = [];
const woken = new Set<number>();
for (let i = 0; i < COUNT; i++) {
  const fds = Buffer.alloc(8);
  pipe2(fds, 0);
  writers.push(fds.readInt32LE(4));
  const watcher = ffi.watchReadable(fds.readInt32LE(0), () => {
    woken.add(i);
    watcher.close();
  });
}
for (let i = 0; i < 20; i++) {
  await turn();
  Array.from({ length: 1000 }, () => Buffer.alloc(1000));
  globalThis.gc?.();
}
for (const fd of writers) write(fd, Buffer.from("x"), 1);
process.on("exit", () => console.log(`woken ${woken.size} of ${COUNT}`));
