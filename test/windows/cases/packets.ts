/** Control packets through ReadFile and WriteFile, over real sockets. */
import { deepEqual, equal } from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Case } from "../case.ts";
import { ipv4, portOf } from "../layout.ts";
import {
  CONTROL_PACKET,
  LOOPBACK,
  NEW,
  newPeer,
  Other,
  type Scene,
  startServer,
  withAdapter,
} from "../scene.ts";

const packets = (name: string, run: (scene: Scene, other: Other) => Promise<void>): Case => ({
  group: "control packets",
  name,
  run: () =>
    withAdapter(NEW, async (scene) => {
      const other = await Other.open();
      try {
        await run(scene, other);
      } finally {
        other.close();
      }
    }),
});

/** Its socket's port. */
async function portOfAdapter({ simulator }: Scene): Promise<number> {
  return portOf((await simulator.state()).local);
}

export const packetCases: readonly Case[] = [
  packets("over UDP both ways, in order", async (scene, other) => {
    await scene.must("NEW_PEER", newPeer(other.port));
    equal((await scene.device.write(CONTROL_PACKET)).error, 0);
    const { bytes, from } = await other.next();
    deepEqual(bytes, CONTROL_PACKET);
    equal(from.port, await portOfAdapter(scene));
    const reads = [scene.device.read(), scene.device.read()];
    for (const last of [1, 2, 3]) other.send(Buffer.concat([CONTROL_PACKET, Buffer.of(last)]), from.port);
    // The third one waits for a read.
    for (const [index, each] of [...reads, scene.device.read()].entries())
      equal((await each.answer).bytes.at(-1), index + 1);
  }),

  packets("too small a read: 122, and the packet is lost", async (scene, other) => {
    await scene.must("NEW_PEER", newPeer(other.port));
    const read = scene.device.read(CONTROL_PACKET.length - 1);
    other.send(CONTROL_PACKET, await portOfAdapter(scene));
    equal((await read.answer).error, 122);
    equal((await scene.simulator.state()).queuedPackets, 0);
  }),

  packets("what is shorter than 4 bytes or longer than 2048 is dropped", async (scene, other) => {
    await scene.must("NEW_PEER", newPeer(other.port));
    const port = await portOfAdapter(scene);
    for (const length of [1, 3, 2049]) other.send(Buffer.alloc(length, 0x38), port);
    for (const length of [4, 2048]) {
      other.send(Buffer.alloc(length, 0x38), port);
      equal((await scene.device.read().answer).bytes.length, length);
    }
  }),

  packets("data packets are not handed up", async (scene, other) => {
    await scene.must("NEW_PEER", newPeer(other.port));
    const read = scene.device.read();
    const port = await portOfAdapter(scene);
    // P_DATA_V2, and P_DATA_V1, which counts as a control packet.
    other.send(Buffer.alloc(60, 9 << 3), port);
    other.send(Buffer.alloc(60, 6 << 3), port);
    equal((await read.answer).bytes[0], 6 << 3);
    equal((await scene.simulator.state()).queuedPackets, 0);
  }),

  packets("1500 bytes can be written and 1501 not: 1784", async (scene, other) => {
    await scene.must("NEW_PEER", newPeer(other.port));
    equal((await scene.device.write(Buffer.alloc(1500, 0x38))).error, 0);
    equal((await other.next()).bytes.length, 1500);
    equal((await scene.device.write(Buffer.alloc(1501, 0x38))).error, 1784);
  }),

  packets("a read can be cancelled alone, and all at once", async ({ device }) => {
    const reads = [device.read(), device.read(), device.read()];
    reads[1]?.cancel();
    equal((await reads[1]?.answer)?.error, 995);
    device.cancelAll();
    equal((await reads[0]?.answer)?.error, 995);
    equal((await reads[2]?.answer)?.error, 995);
  }),

  packets("DEL_PEER takes packets along that nobody has read", async (scene, other) => {
    await scene.must("NEW_PEER", newPeer(other.port));
    other.send(CONTROL_PACKET, await portOfAdapter(scene));
    while ((await scene.simulator.state()).queuedPackets === 0) await sleep(10);
    await scene.must("DEL_PEER");
    equal((await scene.simulator.state()).queuedPackets, 0);
  }),

  packets(
    "over TCP with two bytes of length, which the driver adds and takes off",
    async ({ device, must }) => {
      const server = createServer().listen(0, LOOPBACK);
      await once(server, "listening");
      try {
        const accepted = once(server, "connection") as Promise<[Socket]>;
        await must("NEW_PEER", newPeer((server.address() as AddressInfo).port, { Proto: 1 }));
        const [socket] = await accepted;
        equal((await device.write(CONTROL_PACKET)).error, 0);
        const [sent] = (await once(socket, "data")) as [Buffer];
        const framed = Buffer.concat([Buffer.of(0, CONTROL_PACKET.length), CONTROL_PACKET]);
        deepEqual(sent, framed);
        const read = device.read();
        // In pieces, and the next one begun.
        socket.write(framed.subarray(0, 5));
        await sleep(20);
        socket.write(Buffer.concat([framed.subarray(5), framed]));
        deepEqual((await read.answer).bytes, CONTROL_PACKET);
        deepEqual((await device.read().answer).bytes, CONTROL_PACKET);
        socket.destroy();
      } finally {
        server.close();
      }
    },
  ),

  packets(
    "a TCP connect that nobody answers can be cancelled, and DEL_PEER alone does not end it",
    async (scene) => {
      // Of a network for documentation: nobody answers, if it can be reached at all.
      const silent = newPeer(9, { Local: ipv4("0.0.0.0", 0), Remote: ipv4("192.0.2.1", 9), Proto: 1 });
      const { device, must, simulator } = scene;
      const connecting = device.startIoctl(0x220004, silent);
      await sleep(100);
      const { pendingConnects } = await simulator.state();
      if (pendingConnects === 1) {
        await must("DEL_PEER");
        equal((await simulator.state()).pendingConnects, 1);
        connecting.cancel();
        equal((await connecting.answer).error, 995);
      } else {
        // This machine's network tells at once that there is no way.
        const { error } = await connecting.answer;
        equal([1225, 1231, 1232].includes(error), true, `error ${error}`);
      }
    },
  ),

  packets("in multi-peer mode each has the other's address before it", async (scene, other) => {
    const port = await startServer(scene);
    const read = scene.device.read();
    other.send(CONTROL_PACKET, port);
    const prefix = ipv4(LOOPBACK, other.port);
    deepEqual((await read.answer).bytes, Buffer.concat([prefix, CONTROL_PACKET]));
    equal((await scene.device.write(Buffer.concat([prefix, CONTROL_PACKET]))).error, 0);
    deepEqual((await other.next()).bytes, CONTROL_PACKET);
    equal((await scene.device.write(prefix.subarray(0, 10))).error, 87, "a short address");
    equal((await scene.device.write(Buffer.alloc(40, 9))).error, 59, "a family that there is not");
  }),
];
