/** Pinned memory under garbage collection. */
import { setImmediate as turn } from "node:timers/promises";
import { type Ffi, loadFfi } from "../../../../src/ffi/index.ts";

const ffi = loadFfi(process.argv[2] as Ffi["name"]);

async function collect(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    await turn();
    Array.from({ length: 1000 }, () => Buffer.alloc(1000, i));
    globalThis.gc?.();
  }
}

/** Nothing but the adapter has the memory of the second when this returns. */
function allocate() {
  const held = ffi.allocate(48);
  held.bytes.fill(0x5a);
  const dropped = ffi.allocate(48);
  const weak = new WeakRef(dropped.bytes.buffer);
  const freed = ffi.allocate(48);
  const weakFreed = new WeakRef(freed.bytes.buffer);
  freed.free();
  return { held, weak, weakFreed };
}

const { held, weak, weakFreed } = allocate();
const { address } = held;
await collect();
console.log(`address: ${ffi.addressOf(held.bytes) === address ? "same" : "other"}`);
console.log(`content: ${held.bytes.equals(Buffer.alloc(48, 0x5a)) ? "same" : "other"}`);
console.log(`unreferenced: ${weak.deref() ? "kept" : "collected"}`);
console.log(`freed: ${weakFreed.deref() ? "kept" : "collected"}`);
