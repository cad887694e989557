/** A pending call holds the process; when the other side writes, it returns, and the process ends by itself. */
import { type Ffi, loadFfi, THIS_PROCESS } from "../../../../src/ffi/index.ts";

const libc = loadFfi(process.argv[2] as Ffi["name"]).library([THIS_PROCESS]);
const poll = libc.func("poll", "i32", ["buffer", "usize", "i32"]);
const POLLIN = 1;
const pollfd = Buffer.alloc(8);
pollfd.writeInt32LE(3, 0);
pollfd.writeInt16LE(POLLIN, 4);
poll.async(pollfd, 1, -1).then((n) => console.log(`returned ${n}`));
console.log("pending");
