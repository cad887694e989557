/**
 * How things end on Windows: requests, handles, adapters, processes; and that waiting for them costs the event loop
 * nothing. These cases look into the driver, so they need its simulator.
 */
import assert from "node:assert/strict";
import { loadFfi } from "../../../src/ffi/index.ts";
import type { Outcome } from "../../../src/windows/device.ts";
import { win32Of } from "../../../src/windows/status.ts";
import type { Win32Devices } from "../../../src/windows/win32/devices.ts";
import { addAdapter, HAS_INSTALLER, removeAdapter } from "../../windows/installer.ts";
import { KEEP_CANCELLED } from "../../windows/simulator.ts";
import { type Case, group } from "../case.ts";
import { checkError, eventually, inTime, pause, rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { Recorder } from "../recorder.ts";
import { DIED } from "../windows/life.ts";
import { NOWHERE } from "../windows/nowhere.ts";
import {
  freePath,
  listenUdp,
  open,
  openUdp,
  parts,
  peerOf,
  startChild,
  untilAllFree,
  untilFree,
} from "../windows/opened.ts";
import type { Simulator } from "../windows/simulator.ts";
import { NotHere } from "../world.ts";

/** Requests that are pending while the event loop's delay is measured. */
const PENDING = 100;
/** Turns of an idle loop and of one with pending requests, and how long each is. */
const LOOP_TURNS = 8;
const LOOP_TURN_MS = 400;
const SAMPLE_MS = 4;
/** More handles than this process has, also where it loses one at each of the rounds below. */
const MOST_HANDLES = 2000;
/** What the 99th percentile may be over that of the idle loop: the contract's limit for the loop. */
const LOOP_LIMIT_MS = 20;

const CONTROL_PACKET = Buffer.from("38aabbccdd11223344", "hex");

const cases: Omit<Case, "group">[] = [
  {
    name: "with 100 requests pending the event loop's delay is that of an idle loop, and all end when cancelled",
    async run(given) {
      const { world, simulator } = parts(given);
      const { path, at, devices } = await freePath(world);
      const device = devices.open(path, "exclusive");
      const begin = () => Array.from({ length: PENDING }, () => device.read(2076));
      const [idle, pending] = [delayOfLoop(), delayOfLoop()];
      try {
        // In turn, so that what else the machine does delays both alike. No sample is left out.
        for (let turn = 0; turn < LOOP_TURNS; turn++) {
          await idle.during(LOOP_TURN_MS);
          const reads = begin();
          assert.equal((await simulator.at(at).state()).pendingReads, PENDING);
          await pending.during(LOOP_TURN_MS);
          for (const { cancel } of reads) cancel();
          assert.ok((await Promise.all(reads.map(({ outcome }) => outcome))).every(isCancelled));
        }
        console.log(`# measured: delay of the event loop, idle: ${idle.text()}`);
        console.log(`# measured: delay of the event loop, ${PENDING} reads pending: ${pending.text()}`);
        const more = pending.p99() - idle.p99();
        assert.ok(more <= LOOP_LIMIT_MS, `${more.toFixed(1)} ms over the idle loop's 99th percentile`);

        const reads = begin();
        for (const { cancel } of reads.slice(0, 50)) cancel();
        const half = await Promise.all(reads.slice(0, 50).map(({ outcome }) => outcome));
        assert.ok(half.every(isCancelled));
        assert.equal((await simulator.at(at).state()).pendingReads, 50);
        await device.close();
        const rest = await Promise.all(reads.slice(50).map(({ outcome }) => outcome));
        assert.ok(rest.every(isCancelled));
        await untilFree(simulator, at);
      } finally {
        await device.close();
      }
    },
  },
  {
    name: "200 rounds of opening and closing, with transports, leave no handle",
    timeoutMs: 120_000,
    async run(given) {
      const { world, simulator } = parts(given);
      const count = handleCounter();
      const round = async (n: number) => {
        const mode = n % 2 === 0 ? "p2p" : "multipeer";
        const dco = await world.driver.createInterface({ mode, createAdapter: false });
        const remote = mode === "p2p" ? { remote: NOWHERE } : { local: "127.0.0.1:0" };
        const transport = await dco.openTransport({ protocol: "udp", ...remote });
        if (mode === "p2p") await dco.addPeer({ id: 1, transport });
        await dco.close();
      };
      for (let n = 0; n < 10; n++) await round(n);
      const before = count();
      for (let n = 0; n < 200; n++) await round(n);
      await untilAllFree(simulator);
      await eventually("handles of this process", count, (now) => now <= before + 10);
      console.log(`# measured: handles before 200 rounds ${before}, after ${count()}`);
    },
  },
  {
    name: "a process that is killed at any moment leaves the driver no handle and no request",
    timeoutMs: 180_000,
    async run(given) {
      const { simulator } = parts(given);
      for (let n = 0; n < 4; n++) {
        const child = startChild("busy");
        await child.ready();
        await pause(Math.random() * 300);
        await child.kill();
        await untilAllFree(simulator);
      }
    },
  },
  {
    name: "a process ends by itself after closing, and at once by process.exit with all open",
    async run(given) {
      const { simulator } = parts(given);
      for (const name of ["closed", "exits"]) {
        const child = startChild(name);
        await child.ready();
        assert.equal(await inTime(child.ended, `the end of the child that is ${name}`), 0);
        await untilAllFree(simulator);
      }
    },
  },
  {
    name: "200 rounds of opening and closing the driver itself leave no handle",
    timeoutMs: 120_000,
    async run(given) {
      const { world } = parts(given);
      const count = handleCounter();
      const round = async () => (await world.openDriver()).close();
      for (let n = 0; n < 10; n++) await round();
      const before = count();
      for (let n = 0; n < 200; n++) await round();
      await eventually("handles of this process", count, (now) => now <= before + 10);
    },
  },
  {
    name: "a process that dies after any of its calls, at once or a moment later, leaves the driver no handle and no request",
    timeoutMs: 300_000,
    async run(given) {
      const { simulator } = parts(given);
      // What is looked for afterwards is there before: one that stands still in the midst of it.
      const standing = startChild("life", "--after", "20", "--pause", "100000");
      const held = async () => {
        const states = await simulator.states();
        return states.some(({ openHandles, pendingReads }) => openHandles > 0 && pendingReads > 0);
      };
      await eventually("a child with an open adapter", held, Boolean, 60_000);
      await standing.kill();
      await untilAllFree(simulator);

      // Two at a time: each has two adapters.
      let after = 0;
      for (let isWhole = false; !isWhole; ) {
        const [first, second] = [`${++after}`, `${++after}`];
        const statuses = await die(simulator, [
          [first, "0"],
          [second, "0"],
        ]);
        isWhole = statuses.includes(0);
        // A moment later, in between: what was asked is being answered then.
        if (after % 12 === 0) {
          await die(simulator, [
            [first, "15"],
            [second, "5"],
          ]);
        }
      }
      console.log(`# measured: died after each of some ${after} calls`);
      assert.ok(after > 40, `a whole life had ${after - 1} calls only`);
    },
  },
  {
    name: "a driver that keeps what was cancelled cannot keep close(), which says so; nor the process",
    timeoutMs: 120_000,
    async run(given) {
      const { world, simulator } = parts(given);
      for (let at = 0; at < simulator.count; at++) await simulator.at(at).configure("2.8.6", KEEP_CANCELLED);
      world.onClose(async () => {
        for (let at = 0; at < simulator.count; at++) {
          await simulator.at(at).release();
          await untilFree(simulator, at);
          await simulator.at(at).configure("2.8.6");
        }
      });
      // Not by the world, which would close it once more.
      const { instance } = await simulator.at(0).state();
      const dco = await world.driver.adoptInterface(instance, { mode: "p2p" });
      await dco.openTransport({ protocol: "udp", remote: NOWHERE });
      const began = performance.now();
      const error = await rejects(dco.close(), "timeout", { effect: "unknown" });
      const took = performance.now() - began;
      assert.ok(took > 2500 && took < 10_000, `it took ${took.toFixed(0)} ms`);
      assert.match(error.message, /3 requests/);
      assert.equal((await simulator.at(0).state()).kept, 3);
      // The memory that the kernel may write to is still there when it does.
      await simulator.at(0).release();
      await untilFree(simulator, 0);
      const again = await world.driver.adoptInterface(instance, { mode: "p2p" });
      assert.equal(again.closed, false);
      await again.close();

      const child = startChild("kept");
      await child.ready();
      assert.equal(await inTime(child.ended, "the end of a process whose requests are kept"), 0);
    },
  },
  {
    name: "CloseHandle that does not return cannot keep close(), which says so",
    timeoutMs: 90_000,
    async run(given) {
      const { world, simulator } = parts(given);
      const { path, at, devices } = await freePath(world);
      // Under Wine CloseHandle does not wait for the driver. The thread that is to call it does not get there instead.
      const held = closeLater(devices);
      const device = devices.open(path, "exclusive");
      const read = device.read(2076);
      const began = performance.now();
      const error = await rejects(device.close(), "timeout", { effect: "unknown" });
      const took = performance.now() - began;
      assert.ok(took > 2500 && took < 10_000, `it took ${took.toFixed(0)} ms`);
      assert.match(error.message, /does not let go/);
      assert.ok(isCancelled(await read.outcome));
      assert.equal((await simulator.at(at).state()).openHandles, 1);
      held.resume();
      await untilFree(simulator, at);
    },
  },
  {
    name: "a driver that takes its time to close does not stop the event loop",
    timeoutMs: 90_000,
    async run(given) {
      const { world, simulator } = parts(given);
      const opened = await open(world, "p2p");
      await openUdp(opened);
      await simulator.at(opened.at).holdClose(4000);
      const loop = delayOfLoop();
      const began = performance.now();
      // Where CloseHandle waits for the driver, which it does not under Wine, the deadline comes first.
      const closing = opened.dco
        .close()
        .catch((error: unknown) => checkError(error, "timeout"))
        .then(() => performance.now() - began);
      await loop.during(1000);
      const took = await inTime(closing, "closing", 10_000);
      console.log(`# measured: close() with a driver that takes 4 s for it: ${took.toFixed(0)} ms`);
      assert.ok(loop.most() < 1000, `the event loop stood still for ${loop.most().toFixed(0)} ms`);
      await untilFree(simulator, opened.at);
    },
  },
  {
    name: "an adapter that is removed under us ends all that is under way, and can be used when it was added anew",
    timeoutMs: 120_000,
    async run(given) {
      const { world, simulator } = parts(given);
      if (!HAS_INSTALLER) throw new NotHere("nothing here removes adapters");
      const last = simulator.count - 1;
      const { instance } = await simulator.at(last).state();
      for (const mode of ["p2p", "multipeer"] as const) {
        const dco = await world.driver.adoptInterface(instance, { mode });
        const events = new Recorder(dco);
        const where = mode === "p2p" ? { remote: NOWHERE } : { local: "127.0.0.1:0" };
        const transport = await dco.openTransport({ protocol: "udp", ...where });
        await dco.addPeer(mode === "p2p" ? { id: 3, transport } : peerOf(3, transport));
        const packet = transport.packets().next();
        packet.catch(() => {});
        await removeAdapter(instance);
        await events.next("interface-removed");
        assert.equal((await events.next("peer-deleted")).reason, "interface-removed");
        await inTime(events.done, "the events' end");
        await inTime(Promise.allSettled([packet]), "the packets' end");
        await rejects(dco.stats(), "closed");
        await rejects(dco.openTransport({ protocol: "udp", ...where }), "closed");
        const names = (await world.driver.listInterfaces()).map(({ name }) => name);
        assert.ok(!names.includes(dco.name));
        await rejects(world.driver.adoptInterface(instance, { mode }), "not-found");
        await inTime(dco.close(), "closing what was removed");
        await addAdapter(last);
        const back = async () => (await simulator.at(0).state()).adapters;
        await eventually("the adapter", back, (count) => count === last + 1, 60_000);
        const again = await world.driver.adoptInterface(instance, { mode });
        await again.close();
        await untilFree(simulator, last);
      }
    },
  },
  {
    name: "a TCP connection that is lost while no read waits is told by the next write",
    async run(given) {
      const { world, simulator } = parts(given);
      const opened = await open(world, "p2p");
      const { dco, at, events } = opened;
      const listener = await world.acceptStreams(world.server, 4);
      const transport = await dco.openTransport({ protocol: "tcp", remote: listener.local });
      await dco.addPeer({ id: 5, transport });
      const stream = await listener.accept();
      const frame = Buffer.concat([Buffer.of(0, CONTROL_PACKET.length), CONTROL_PACKET]);
      await stream.write(Buffer.concat([frame, frame, frame]));
      await stream.reset();
      // The loop stands still: three packets take the three reads, and nothing waits for the connection's end.
      const until = performance.now() + 1000;
      while (performance.now() < until);
      const packets = transport.packets();
      for (let n = 0; n < 3; n++) assert.equal((await inTime(packets.next(), "a packet")).done, false);
      assert.deepEqual(events.of("peer-deleted"), []);
      assert.equal((await simulator.at(at).state()).pendingReads, 3);
      await rejects(transport.send(CONTROL_PACKET), "socket");
      assert.equal((await events.next("peer-deleted")).reason, "transport-disconnect");
      assert.equal(transport.closed, true);
    },
  },
  {
    name: "after sleep and resume the handle is good, and peers that were not heard of meanwhile are expired",
    async run(given) {
      for (const mode of ["p2p", "multipeer"] as const) {
        const opened = await open(given, mode);
        const { dco, simulator, at, events } = opened;
        const transport = mode === "p2p" ? await openUdp(opened) : await listenUdp(opened);
        await dco.addPeer({
          ...(mode === "p2p" ? { id: 3, transport } : peerOf(3, transport)),
          keepalive: { interval: 10, timeout: 60 },
        });
        await dco.installKey(3, freshKey());
        if (mode === "multipeer") await dco.addPeer(peerOf(4, transport));
        await simulator.at(at).sleep(50);
        await pause(2500);
        assert.deepEqual(events.of("peer-deleted"), []);
        await simulator.at(at).sleep(8 * 3600);
        assert.equal((await events.next("peer-deleted")).reason, "expired");
        assert.equal(dco.closed, false);
        // In p2p mode the connection is the peer's.
        assert.equal(transport.closed, mode === "p2p");
        assert.deepEqual(
          (await dco.peers()).map(({ id }) => id),
          mode === "p2p" ? [] : [4],
        );
        const next = mode === "p2p" ? await openUdp(opened) : transport;
        await dco.addPeer(mode === "p2p" ? { id: 3, transport: next } : peerOf(3, next));
        await dco.installKey(3, freshKey());
        await dco.close();
      }
    },
  },
];

export const windowsEndCases = group("Windows", cases);

function isCancelled({ failure }: Outcome): boolean {
  return failure !== undefined && win32Of(failure) === 995;
}

/**
 * Runs lives that end at such a call, after so many milliseconds, at the same time, and looks for what they leave.
 *
 * @returns their statuses: 0 where the whole life had fewer calls
 */
async function die(simulator: Simulator, deaths: readonly (readonly [call: string, pause: string])[]) {
  const start = ([call, pause]: (typeof deaths)[number]) =>
    startChild("life", "--after", call, "--pause", pause);
  const children = deaths.map(start);
  const statuses = await inTime(Promise.all(children.map(({ ended }) => ended)), `deaths after ${deaths}`);
  await untilAllFree(simulator);
  for (const [n, status] of statuses.entries()) {
    const child = children[n];
    if (status !== 0) assert.equal(status, DIED, `death after ${deaths[n]}, which said: ${child?.words()}`);
  }
  return statuses;
}

/** Collects how late the event loop is, in milliseconds. Not by an ELDHistogram: what it does not see it counts as late. */
function delayOfLoop() {
  const samples: number[] = [];
  const percentile = (share: number): number => {
    const sorted = [...samples].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
  };
  const p99 = () => percentile(0.99);
  const most = () => percentile(1);
  return {
    async during(milliseconds: number): Promise<void> {
      const end = performance.now() + milliseconds;
      for (let began = performance.now(); began < end; began = performance.now()) {
        await pause(SAMPLE_MS);
        samples.push(Math.max(0, performance.now() - began - SAMPLE_MS));
      }
    },
    p99,
    most,
    text: () => {
      const figures = [percentile(0.5), p99(), most()].map((value) => value.toFixed(1));
      return `median ${figures[0]}, p99 ${figures[1]}, most ${figures[2]} ms of ${samples.length} samples`;
    },
  };
}

/** Handles of these devices are not closed before `resume`: the thread that is to do it stands still. */
function closeLater({ kernel }: Win32Devices): { resume(): void } {
  const CREATE_SUSPENDED = 4;
  const library = loadFfi().library(["kernel32.dll"]);
  const p = "pointer";
  const createThread = library.func("CreateThread", p, [p, "usize", p, p, "u32", p]);
  const resumeThread = library.func("ResumeThread", "u32", [p]);
  const duplicate = library.func("DuplicateHandle", "i32", [p, p, p, "buffer", "u32", "i32", "u32"]);
  const getModule = library.func("GetModuleHandleW", p, ["buffer"]);
  const getAddress = library.func("GetProcAddress", p, [p, "string"]);
  const closeHandle = getAddress(getModule(Buffer.from("kernel32.dll\0", "utf16le")), "CloseHandle");
  const threads: bigint[] = [];
  kernel.closeHandleOnThread = (handle) => {
    const thread = createThread(0, 0, closeHandle, handle, CREATE_SUSPENDED, 0);
    // The device closes the one that it gets.
    const own = Buffer.alloc(8);
    const DUPLICATE_SAME_ACCESS = 2;
    const THIS_PROCESS_HANDLE = 0xffff_ffff_ffff_ffffn;
    const done = duplicate(
      THIS_PROCESS_HANDLE,
      thread,
      THIS_PROCESS_HANDLE,
      own,
      0,
      0,
      DUPLICATE_SAME_ACCESS,
    );
    assert.notEqual(done, 0);
    threads.push(own.readBigUInt64LE(0));
    return thread;
  };
  return {
    resume() {
      for (const thread of threads) {
        resumeThread(thread);
        kernel.closeHandle(thread);
      }
    },
  };
}

/** Handles that this process has, one by one: GetProcessHandleCount says 0 under Wine. */
function handleCounter(): () => number {
  const kernel = loadFfi().library(["kernel32.dll"]);
  const getInformation = kernel.func("GetHandleInformation", "i32", ["pointer", "buffer"]);
  const flags = Buffer.alloc(4);
  return () => {
    let count = 0;
    for (let handle = 4; handle <= 4 * MOST_HANDLES; handle += 4)
      count += getInformation(handle, flags) ? 1 : 0;
    assert.ok(count > 0 && count < MOST_HANDLES, `${count} handles`);
    return count;
  };
}
