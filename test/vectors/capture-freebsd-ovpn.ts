/**
 * Captures a session with a kernel's `if_ovpn`, for test/unit/freebsd:
 *
 *     npm run test:freebsd -- --kernel KERNEL --root ROOT --program capture --json test/vectors/freebsd-session.json
 *
 * On FreeBSD itself it is started with `--json FILE`, as root, and with /dev/null as standard input.
 */
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { WireTracer } from "../../src/core/trace.ts";
import { loadFfi } from "../../src/ffi/index.ts";
import { createPosix } from "../../src/ffi/posix.ts";
import { packSockaddr } from "../../src/ffi/sockaddr.ts";
import { FreebsdBackend } from "../../src/freebsd/backend.ts";
import { Stack } from "../../src/freebsd/stack.ts";
import { createSysctl } from "../../src/freebsd/sysctl.ts";
import { Memory, type RecordedCall, type Recording, recordCalls } from "./freebsd-recorder.ts";
import { PORTS, runSession } from "./freebsd-session.ts";

const NOBODY = 65534;
const ROOT = 0;
/** For packets that come by loopback, which are taken from a queue. */
const ARRIVAL_MS = 300;

const { values } = parseArgs({ options: { json: { type: "string" }, subject: { type: "string" } } });
const ffi = loadFfi();
const posix = createPosix(ffi);
const tracer = new WireTracer(undefined);
// Loads the module.
await FreebsdBackend.open({ ffi, posix, tracer }).close();

const calls: RecordedCall[] = [];
const memory = new Memory((bytes) => ffi.addressOf(bytes));
const recorded = { ...posix, ...recordCalls(posix, memory, calls) };
const stack = new Stack({ ffi: { ...ffi, addressOf: memory.addressOf }, posix: recorded, tracer }, undefined);
// Links are not followed: what they tell comes at any time.
stack.onLinks = () => () => {};

const senders = new Map<number, number>(
  [PORTS.first, PORTS.second].map((port) => {
    const fd = posix.socket(2, 2, 0);
    posix.bind(fd, packSockaddr({ address: "127.0.0.1", port }));
    return [port, fd];
  }),
);
const sysctl = createSysctl(ffi);
const log = await runSession({
  stack,
  sysctl,
  posix: recorded,
  async receive(packet, from) {
    const to = packSockaddr({ address: "127.0.0.1", port: PORTS.kernel });
    posix.sendto(senders.get(from) as number, packet, 0, to);
    await sleep(ARRIVAL_MS);
  },
  wait: (milliseconds) => sleep(milliseconds),
  dropRights: () => process.seteuid?.(NOBODY),
});
process.seteuid?.(ROOT);
for (const line of log) console.log(line);
const recording: Recording = {
  kernel: `__FreeBSD_version ${sysctl.readInt("kern.osreldate")}, ${process.arch}`,
  pid: process.pid,
  start: String(sysctl.process(process.pid)?.start),
  calls,
  log,
};
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(recording, null, 1)}\n`);
console.log("1 passed, 0 failed");
process.exit(0);
