/**
 * TCP: packets in a stream, and the moment at which the kernel takes it over.
 */
import assert from "node:assert/strict";
import type { Transport } from "../../../src/core/contract.ts";
import { group } from "../case.ts";
import { eventually, inTime, pause } from "../expect.ts";
import { CONTROL_OPCODES, controlPacket, dataPacket, readPackets } from "../packets.ts";
import {
  acceptStranger,
  acceptStrangers,
  adoptsConnections,
  attach,
  frame,
  numbered,
  numberOf,
  overTcp,
  readFrame,
  type Strange,
} from "../tcp.ts";
import { connect, installKeys, openConnection, openHost } from "../tunnel.ts";
import type { World } from "../world.ts";

/** The largest length that a frame's prefix can tell. */
const LARGEST = 0xffff;

/** Packets of some sizes, the shortest that a peer's connection may carry among them. */
const PACKETS = [4, 14, 5].map((size) => Buffer.from(controlPacket(size)));
const STREAM = Buffer.concat(PACKETS.map(frame));

async function expectAll(transport: Transport, packets: readonly Uint8Array[], what: string): Promise<void> {
  const came = await readPackets(transport, packets.length);
  assert.deepEqual(
    came.map(({ data }) => Buffer.from(data)),
    packets.map((packet) => Buffer.from(packet)),
    what,
  );
}

/** Cut at every byte, byte by byte, and not at all. */
async function cutEverywhere({ server: { transport }, stream }: Strange): Promise<void> {
  for (let at = 1; at < STREAM.length; at++) {
    await stream.write(STREAM.subarray(0, at));
    await pause(2);
    await stream.write(STREAM.subarray(at));
    await expectAll(transport, PACKETS, `cut at ${at}`);
  }
  for (const byte of STREAM) {
    await stream.write(Uint8Array.of(byte));
    await pause(1);
  }
  await expectAll(transport, PACKETS, "byte by byte");
  await stream.write(Buffer.concat([STREAM, STREAM, STREAM]));
  await expectAll(transport, [...PACKETS, ...PACKETS, ...PACKETS], "merged");
}

/** Largest frames, alone and between small ones, in both directions. */
async function largest({ server: { transport }, stream }: Strange, most: number): Promise<void> {
  for (const packets of [
    [controlPacket(LARGEST)],
    [controlPacket(20), controlPacket(LARGEST), controlPacket(LARGEST), controlPacket(20)],
  ]) {
    const [arrived] = await Promise.all([
      readPackets(transport, packets.length),
      stream.write(Buffer.concat(packets.map(frame))),
    ]);
    assert.deepEqual(
      arrived.map(({ data }) => Buffer.from(data)),
      packets.map((packet) => Buffer.from(packet)),
    );
  }
  const packets = [controlPacket(20), controlPacket(most), controlPacket(most), controlPacket(20)];
  const sent = Promise.all(packets.map((packet) => transport.send(packet)));
  for (const packet of packets) assert.deepEqual(await readFrame(stream), Buffer.from(packet));
  await sent;
}

/** Sends numbered packets until it is stopped; resolves to how many were sent. */
function keepSending(send: (packet: Uint8Array) => Promise<void>, size = 60): () => Promise<number> {
  let running = true;
  const all = (async () => {
    let count = 0;
    for (; running; count++) {
      await send(numbered(count, size));
      // Not so many that the other side's queue overflows.
      if (count % 8 === 0) await pause(1);
    }
    return count;
  })();
  all.catch(() => {});
  return () => {
    running = false;
    return all;
  };
}

/** Keeps the numbers of what comes. */
function keepReading(transport: Transport): { readonly numbers: number[]; readonly stop: () => void } {
  const numbers: number[] = [];
  const controller = new AbortController();
  const { signal } = controller;
  void (async () => {
    for await (const packet of transport.packets({ signal })) numbers.push(numberOf(packet));
  })().catch(() => {});
  return { numbers, stop: () => controller.abort() };
}

async function expectNumbers(numbers: readonly number[], count: number, what: string): Promise<void> {
  await eventually(
    what,
    () => numbers.length,
    (length) => length >= count,
  );
  assert.deepEqual(
    numbers,
    Array.from({ length: count }, (_, at) => at),
    what,
  );
}

export const tcpFrameCases = group("tcp frames", [
  {
    ...overTcp,
    name: "arrive whole before the attach and after it, however the stream is cut and merged",
    async run(world) {
      const stranger = await acceptStranger(world);
      await cutEverywhere(stranger);
      await attach(stranger.server);
      await cutEverywhere(stranger);
      assert.deepEqual(stranger.server.events.of("peer-deleted"), []);
    },
  },
  {
    ...overTcp,
    name: "are not lost or torn by an attach that comes at any byte of the stream",
    async run(world) {
      const strangers = await acceptStrangers(world, STREAM.length + 1);
      for (const [at, { server, stream }] of strangers.entries()) {
        await stream.write(STREAM.subarray(0, at));
        // Seen or not yet seen by the reader: both happen.
        if (at % 3 > 0) await pause(at % 3 === 1 ? 1 : 20);
        await attach(server, at + 1);
        await stream.write(STREAM.subarray(at));
        await expectAll(server.transport, PACKETS, `attached at ${at}`);
        const answer = controlPacket();
        await server.transport.send(answer);
        assert.deepEqual(await readFrame(stream), Buffer.from(answer));
      }
    },
  },
  {
    ...overTcp,
    name: "of the largest size go through, before the attach and after it",
    async run(world) {
      const { maxControlPacket } = world.capabilities;
      const stranger = await acceptStranger(world);
      await largest(stranger, maxControlPacket);
      await attach(stranger.server);
      await largest(stranger, maxControlPacket);
      assert.deepEqual(stranger.server.events.of("peer-deleted"), []);
    },
  },
  {
    ...adoptsConnections,
    name: "of the largest size go through a socket whose buffer is smaller than they are",
    async run(world) {
      const listener = await world.acceptStreams(world.clients[0], 4);
      const mine = await world.connectStream(world.server, listener.local);
      const stream = await listener.accept();
      mine.setReceiveBuffer(16_384);
      const host = await openHost(world, world.server, { mode: "multipeer", host: 1 });
      const adopt = { fd: mine.fd, ownership: "keep" } as const;
      const transport = await host.dco.openTransport({ protocol: "tcp", adopt });
      const stranger = { server: { ...host, transport }, stream };
      await largest(stranger, world.capabilities.maxControlPacket);
      await attach(stranger.server);
      await largest(stranger, world.capabilities.maxControlPacket);
    },
  },
  {
    ...overTcp,
    name: "of every control opcode arrive, between data packets, which do not",
    async run(world) {
      const { server, stream } = await acceptStranger(world);
      for (const attached of [false, true]) {
        if (attached) await attach(server);
        const packets = CONTROL_OPCODES.map((opcode) => controlPacket(30, opcode));
        const bytes = packets.flatMap((packet) => [frame(dataPacket(1)), frame(packet)]);
        await stream.write(Buffer.concat(bytes));
        await expectAll(server.transport, packets, `attached: ${attached}`);
        assert.equal(server.transport.counters.droppedData, BigInt(packets.length));
      }
      assert.deepEqual(server.events.of("peer-deleted"), []);
    },
  },
  {
    ...overTcp,
    name: "that a stranger sends without pause are neither lost nor read twice when the peer is attached",
    async run(world) {
      for (const [at, { server, stream }] of (
        await acceptStrangers(world, 8, { queueLimit: 100_000 })
      ).entries()) {
        const { numbers, stop } = keepReading(server.transport);
        const stopSending = keepSending(async (packet) => {
          await stream.write(Buffer.concat([frame(packet), frame(dataPacket(at + 1))]));
        });
        await eventually(
          "packets before the attach",
          () => numbers.length,
          (count) => count > 20,
        );
        await attach(server, at + 1);
        const before = numbers.length;
        await eventually(
          "packets after the attach",
          () => numbers.length,
          (count) => count > before + 20,
        );
        await expectNumbers(numbers, await stopSending(), `connection ${at}`);
        stop();
      }
    },
  },
  {
    ...overTcp,
    name: "go both ways before, while and after both ends attach their peers, while data flows",
    timeoutMs: 120_000,
    async run(world: World) {
      const server = await openHost(world, world.server, { mode: "multipeer", host: 1 });
      const client = await openHost(world, world.clients[0], { mode: "p2p", host: 2 });
      const transports = await openConnection(server, client, { queueLimit: 100_000 });
      const ends = [
        { ...server, transport: transports.server },
        { ...client, transport: transports.client },
      ] as const;
      const [one, two] = ends;
      const readers = ends.map(({ transport }) => keepReading(transport));
      const senders = ends.map(({ transport }) => keepSending((packet) => transport.send(packet), 200));
      const moreCame = async () => {
        const before = readers.map(({ numbers }) => numbers.length);
        await eventually(
          "control packets both ways",
          () => readers.map(({ numbers }, at) => numbers.length - (before[at] as number)),
          (more) => more.every((count) => count > 50),
        );
      };
      await moreCame();
      await connect(one, two, { keys: false });
      await moreCame();
      await installKeys(one, two);
      const pings = [
        await world.startPing(one.site, two.vpn.ipv4, { interval: 0.01, size: 1000 }),
        await world.startPing(two.site, one.vpn.ipv6, { interval: 0.01, size: 1000 }),
      ];
      await eventually(
        "answers to pings",
        () => pings.map((ping) => ping.answered()),
        (answered) => answered.every((count) => count > 50),
      );
      await moreCame();
      for (const ping of pings) {
        const { sent, received, output } = await ping.stop();
        assert.equal(received, sent, output);
      }
      const counts = await Promise.all(senders.map((stop) => stop()));
      for (const [at, { numbers }] of readers.entries()) {
        await expectNumbers(numbers, counts[1 - at] as number, `to end ${at}`);
      }
      for (const end of ends) assert.deepEqual(end.events.of("peer-deleted"), []);
    },
  },
  {
    ...overTcp,
    name: "that nobody reads wait up to the limit; then the oldest are dropped, and nothing is busy for it",
    async run(world) {
      for (const attached of [false, true]) {
        const { server, stream } = await acceptStranger(world, { queueLimit: 10 });
        if (attached) await attach(server);
        const count = 5000;
        const all = Array.from({ length: count }, (_, at) => frame(numbered(at, 500)));
        const { transport } = server;
        // A kernel may have room for a thousand that the process has not read, and drop what comes then.
        for (let at = 0; at < count; at += 500) {
          await inTime(stream.write(Buffer.concat(all.slice(at, at + 500))), "writing what nobody reads");
          await eventually(
            "packets received",
            () => transport.counters.received,
            (received) => received === BigInt(at + 500),
          );
        }
        assert.equal(transport.counters.droppedQueueFull, BigInt(count - 10));
        const numbers = (await readPackets(transport, 10)).map(numberOf);
        assert.deepEqual(
          numbers,
          Array.from({ length: 10 }, (_, at) => count - 10 + at),
        );
        await server.dco.close();
      }
    },
  },
]);
