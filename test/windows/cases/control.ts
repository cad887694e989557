/** What happens to the adapter itself. */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import type { Case } from "../case.ts";
import { adapterPath, Device } from "../device.ts";
import { addAdapter, removeAdapter } from "../installer.ts";
import { code, ipv4, sizeOf } from "../layout.ts";
import { CONTROL_PACKET, LOOPBACK, NEW, newPeer, quiet, type Scene, withAdapter } from "../scene.ts";
import { LOSE_WAKE_UPS, Simulator } from "../simulator.ts";

const control = (name: string, run: (scene: Scene) => Promise<void>, flags = 0): Case => ({
  group: "the adapter",
  name,
  run: () => withAdapter(NEW, run, { flags }),
});

export const controlCases: readonly Case[] = [
  {
    group: "the adapter",
    name: "two are there, each for itself",
    async run() {
      for (const adapter of [0, 1]) {
        const simulator = new Simulator(adapter);
        const { adapters, instance } = await simulator.state();
        deepEqual([adapters > 1, instance.toUpperCase()], [true, `ROOT\\NET\\000${adapter}`]);
        simulator.close();
      }
      await withAdapter(NEW, async (first) => {
        await withAdapter(
          "2.0.1",
          async (second) => {
            await first.must("NEW_PEER", newPeer(9));
            equal(await second.error("START_VPN"), 1);
          },
          { adapter: 1 },
        );
      });
    },
  },

  control("disabled while it is open: 995 for what waits, then 22; enabled it works anew", async (scene) => {
    const { device, error, must, simulator } = scene;
    await must("NEW_PEER", newPeer(9));
    const reads = [device.read(), device.read()];
    try {
      await simulator.enable(false);
      for (const { answer } of reads) equal((await answer).error, 995);
      equal(await error("GET_VERSION", undefined, sizeOf("VERSION")), 22);
      equal((await device.write(CONTROL_PACKET)).error, 22);
      equal((await device.read().answer).error, 22);
    } finally {
      await simulator.enable(true);
    }
    equal(await error("GET_VERSION", undefined, sizeOf("VERSION")), 0);
    equal(await error("START_VPN"), 1);
  }),

  {
    group: "the adapter",
    name: "disabled it cannot be opened",
    async run() {
      const simulator = new Simulator(0);
      try {
        await quiet(simulator);
        await simulator.enable(false);
        let device: Device | undefined;
        try {
          device = Device.open(adapterPath(0));
        } catch {}
        const error = device && (await device.ioctl(code("GET_VERSION"), undefined, sizeOf("VERSION"))).error;
        device?.close();
        // Where the system opens it all the same, it answers nothing.
        equal(error ?? 22, 22);
      } finally {
        await simulator.enable(true);
        simulator.close();
      }
    },
  },

  {
    group: "the adapter",
    name: "removed while it is open: what waits ends, later requests fail, the others stay; it can be added anew",
    // Two programs that Wine starts, on a machine that may be busy.
    timeoutMs: 60_000,
    async run() {
      const first = new Simulator(0);
      const last = (await first.state()).adapters - 1;
      const simulator = new Simulator(last);
      const { instance } = await simulator.state();
      await quiet(simulator);
      await simulator.configure(NEW);
      const device = Device.open(adapterPath(last));
      equal((await device.ioctl(code("NEW_PEER"), newPeer(9))).error, 0);
      const reads = [device.read(), device.read()];
      await removeAdapter(instance);
      for (const { answer } of reads) equal((await answer).error, 995);
      notEqual((await device.ioctl(code("GET_VERSION"), undefined, sizeOf("VERSION"))).error, 0);
      device.close();
      equal((await first.state()).adapters, last);
      await withAdapter(NEW, async ({ error }) => equal(await error("NEW_PEER", newPeer(9)), 0));
      await addAdapter(last);
      equal((await first.state()).adapters, last + 1);
      simulator.close();
      first.close();
      await withAdapter(NEW, async ({ error }) => equal(await error("NEW_PEER", newPeer(9)), 0), {
        adapter: last,
      });
    },
  },

  control("a read ends as a test wants it", async ({ device, simulator }) => {
    const read = device.read();
    await simulator.failRead(0xc0000241);
    equal((await read.answer).error, 1236);
  }),

  control("a packet comes as if from the wire", async ({ device, must, simulator }) => {
    await must("NEW_PEER", newPeer(9));
    const read = device.read();
    await simulator.receive(ipv4(LOOPBACK, 9), CONTROL_PACKET);
    deepEqual((await read.answer).bytes, CONTROL_PACKET);
  }),

  control(
    "the lost wake-up of up to 2.8.3: reads are one packet behind",
    async ({ device, must, simulator }) => {
      await must("NEW_PEER", newPeer(9));
      const packet = (last: number) => Buffer.concat([CONTROL_PACKET, Buffer.of(last)]);
      const waiting = device.read();
      await simulator.receive(ipv4(LOOPBACK, 9), packet(1));
      const { pendingReads, queuedPackets } = await simulator.state();
      deepEqual([pendingReads, queuedPackets], [1, 1]);
      await simulator.receive(ipv4(LOOPBACK, 9), packet(2));
      deepEqual((await waiting.answer).bytes, packet(1));
      deepEqual((await device.read().answer).bytes, packet(2));
    },
    LOSE_WAKE_UPS,
  ),
];
