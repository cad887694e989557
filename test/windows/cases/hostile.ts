/** What a driver has to bear, and what the event loop has. */
import { equal, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Case } from "../case.ts";
import { CHILDREN } from "../children.ts";
import { adapterPath, Device } from "../device.ts";
import { code, ipv4, sizeOf } from "../layout.ts";
import { CONTROL_PACKET, LOOPBACK, NEW, newPeer, quiet, withAdapter } from "../scene.ts";
import { Simulator } from "../simulator.ts";

const hostile = (name: string, run: () => Promise<void>): Case => ({
  group: "hostile",
  name,
  timeoutMs: 90_000,
  run,
});

const ROUNDS = 200;
const KILLS = 8;
const PENDING = 100;
const MEASURE_MS = 1500;

/** Starts a child, kills it some time after it is open, and waits until the driver has forgotten it. */
async function killOne(name: string, delay: number, simulator: Simulator): Promise<void> {
  const ready = join(tmpdir(), `dcokit-child-${process.pid}-${name}`);
  rmSync(ready, { force: true });
  const program = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [program, "--child", name, "--path", ready], { stdio: "ignore" });
  try {
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    while (!existsSync(ready)) {
      if (child.exitCode !== null) throw new Error(`the child ended with status ${child.exitCode}`);
      await sleep(5);
    }
    await sleep(delay);
    const before = await simulator.state();
    equal(before.openHandles, 1);
    ok(before.pendingReads > 0, "nothing was pending");
    child.kill("SIGKILL");
    await ended;
    await quiet(simulator);
  } finally {
    child.kill("SIGKILL");
    rmSync(ready, { force: true });
  }
}

/** Milliseconds of the loop's delay while the body runs: median and 99th percentile. */
async function delayDuring(body: () => Promise<void>): Promise<{ median: number; p99: number }> {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await body();
  histogram.disable();
  return { median: histogram.percentile(50) / 1e6, p99: histogram.percentile(99) / 1e6 };
}

export const hostileCases: readonly Case[] = [
  hostile(`${ROUNDS} rounds of open, use and close leave nothing`, async () => {
    const simulator = new Simulator(0);
    await quiet(simulator);
    await simulator.configure(NEW);
    for (let round = 0; round < ROUNDS; round++) {
      const device = Device.open(adapterPath(0));
      equal((await device.ioctl(code("NEW_PEER"), newPeer(9))).error, 0, `round ${round}`);
      const read = device.read();
      if (round % 2 === 0) read.cancel();
      device.close();
      equal((await read.answer).error, 995, `round ${round}`);
    }
    await quiet(simulator);
    simulator.close();
  }),

  ...CHILDREN.map((name) =>
    hostile(`a process that is killed at any moment leaves nothing: ${name}`, async () => {
      const simulator = new Simulator(0);
      await quiet(simulator);
      await simulator.configure(NEW);
      const kills = name === "restless" ? KILLS : 2;
      for (let i = 0; i < kills; i++) await killOne(name, Math.random() * 150, simulator);
      simulator.close();
    }),
  ),

  hostile(`${PENDING} reads that wait take neither the loop nor libuv's threads`, () =>
    withAdapter(NEW, async ({ device, must, simulator }) => {
      await must("NEW_PEER", newPeer(9));
      const idle = await delayDuring(() => sleep(MEASURE_MS));
      let finished = 0;
      let over = false;
      const keep = async () => {
        while (!over) {
          const { error } = await device.read().answer;
          if (error === 0) finished++;
        }
      };
      const readers = Array.from({ length: PENDING }, keep);
      const waiting = await delayDuring(() => sleep(MEASURE_MS));
      equal((await simulator.state()).pendingReads, PENDING);
      const began = performance.now();
      await stat(fileURLToPath(import.meta.url));
      const file = performance.now() - began;
      const busy = await delayDuring(async () => {
        const end = performance.now() + MEASURE_MS;
        while (performance.now() < end) {
          await simulator.receive(ipv4(LOOPBACK, 9), CONTROL_PACKET);
          await sleep(1);
        }
      });
      const show = ({ median, p99 }: typeof idle) =>
        `median ${median.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
      console.log(`# measured: event loop's delay, idle: ${show(idle)}`);
      console.log(`# measured: event loop's delay, ${PENDING} reads pending: ${show(waiting)}`);
      console.log(
        `# measured: event loop's delay, ${PENDING} reads pending, ${finished} packets: ${show(busy)}`,
      );
      console.log(`# measured: fs.stat while ${PENDING} reads are pending: ${file.toFixed(1)} ms`);
      over = true;
      await must("DEL_PEER");
      await Promise.all(readers);
      ok(finished > 0, "no packet came");
    }),
  ),

  hostile("closing with all kinds of requests pending ends each of them", async () => {
    const simulator = new Simulator(0);
    await quiet(simulator);
    await simulator.configure(NEW);
    const device = Device.open(adapterPath(0));
    const pending = Array.from({ length: 50 }, () => device.read());
    pending.push(device.startIoctl(code("NOTIFY_EVENT"), undefined, sizeOf("NOTIFY_EVENT")));
    device.close();
    for (const { answer } of pending) equal((await answer).error, 995);
    await quiet(simulator);
    simulator.close();
  }),
];
