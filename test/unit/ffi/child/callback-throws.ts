/** A callback that throws when a foreign thread calls it. */
import { loadFfi, THIS_PROCESS } from "../../../../src/ffi/index.ts";

const ffi = loadFfi("koffi");
const libc = ffi.library([THIS_PROCESS]);
process.on("uncaughtException", (error) => console.log(`uncaught: ${error.message}`));
const callback = ffi.callback("void", ["pointer"], () => {
  throw new Error("from the callback");
});
const thread = Buffer.alloc(8);
const create = libc.func("pthread_create", "i32", ["buffer", "pointer", "pointer", "pointer"]);
create(thread, 0, callback.pointer, 0);
const join = libc.func("pthread_join", "i32", ["pointer", "pointer"]);
console.log(`joined ${await join.async(thread.readBigUInt64LE(0), 0)}`);
callback.close();
