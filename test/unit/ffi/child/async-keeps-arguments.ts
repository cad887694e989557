/** A pending call keeps the memory that it is going to write to, though nobody else does. */
import { setImmediate as turn } from "node:timers/promises";
import { type Ffi, loadFfi, THIS_PROCESS } from "../../../../src/ffi/index.ts";

const libc = loadFfi(process.argv[2] as Ffi["name"]).library([THIS_PROCESS]);
const read = libc.func("read", "isize", ["i32", "buffer", "usize"]);
const write = libc.func("write", "isize", ["i32", "buffer", "usize"]);
const fds = Buffer.alloc(8);
libc.func("pipe2", "i32", ["buffer", "i32"])(fds, 0);

function start(): { memory: WeakRef<ArrayBuffer>; reading: Promise<number> } {
  const bytes = new Uint8Array(new ArrayBuffer(4096));
  return { memory: new WeakRef(bytes.buffer), reading: read.async(fds.readInt32LE(0), bytes, 4096) };
}

async function collect(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    await turn();
    globalThis.gc?.();
  }
}

const { memory, reading } = start();
await collect();
console.log(`while pending: ${memory.deref() ? "kept" : "collected"}`);
write(fds.readInt32LE(4), Buffer.from("ping"), 4);
console.log(`read ${await reading}`);
await collect();
console.log(`afterwards: ${memory.deref() ? "kept" : "collected"}`);
