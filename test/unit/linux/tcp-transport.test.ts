/**
 * A TCP transport whose other end does not read, and one that begins within a stream.
 */
import { afterEach, expect, test, vi } from "vitest";
import { TcpTransport } from "../../../src/linux/tcp-transport.ts";
import { EAGAIN, fakeFfi, fakePosix } from "./fake-sockets.ts";

const MSG_PEEK = 2;
const POLLRDHUP = 0x2000;

const packet = Uint8Array.of(0x38, 1, 2, 3, 4, 5, 6, 7);

afterEach(() => {
  vi.useRealTimers();
});

/** A transport whose socket takes `first` bytes and then nothing. */
function stalled(first: number) {
  let room = first;
  const posix = fakePosix({
    send: (_fd, bytes) => {
      if (room === 0) return -EAGAIN;
      const taken = Math.min(room, bytes.length);
      room -= taken;
      return taken;
    },
  });
  const transport = new TcpTransport(fakeFfi().ffi, posix, 9);
  const ends: (Error | undefined)[] = [];
  transport.start({ onPacket: () => {}, onEnd: (error) => ends.push(error) });
  return { transport, ends };
}

test("an attach that waits for half a frame ends with the transport", async () => {
  const { transport } = stalled(3);
  const sending = transport.send(packet, undefined).catch((error: unknown) => error);
  await Promise.resolve();
  let attached = false;
  const attaching = transport.attach(() => {
    attached = true;
  });
  await transport.close();
  await expect(attaching).rejects.toMatchObject({ code: "socket" });
  expect(await sending).toMatchObject({ code: "closed" });
  expect(attached).toBe(false);
});

test("half a frame that the other side never takes ends the transport", async () => {
  vi.useFakeTimers();
  const { transport, ends } = stalled(3);
  const sending = transport.send(packet, undefined).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(1);
  const attaching = transport.attach(() => {}).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await sending).toMatchObject({ code: "timeout" });
  expect(await attaching).toMatchObject({ code: "socket" });
  expect(ends).toMatchObject([{ code: "timeout" }]);
});

test("frames that wait for one another time out together", async () => {
  vi.useFakeTimers();
  const { transport, ends } = stalled(0);
  const sending = [1, 2, 3].map(() => transport.send(packet, undefined).catch((error: unknown) => error));
  await vi.advanceTimersByTimeAsync(40_000);
  for (const sent of sending) expect(await sent).toMatchObject({ code: "timeout", effect: "none" });
  // Nothing has gone out, so the stream is as it was.
  expect(ends).toEqual([]);
});

/** A stream as a socket that can be peeked at. */
function streaming(head: Uint8Array) {
  const state = { bytes: Buffer.alloc(0), ended: false, lowWater: 1 };
  const fake = fakeFfi();
  const posix = fakePosix({
    recv: (_fd, into, flags) => {
      if (state.bytes.length === 0) return state.ended ? 0 : -EAGAIN;
      const size = state.bytes.copy(into);
      if ((flags & MSG_PEEK) === 0) state.bytes = state.bytes.subarray(size);
      return size;
    },
    poll: () => (state.ended ? POLLRDHUP : 0),
    setsockopt: (_fd, _level, _option, value) => {
      state.lowWater = value as number;
    },
  });
  const transport = new TcpTransport(fake.ffi, posix, 9, head);
  const packets: number[][] = [];
  const ends: (Error | undefined)[] = [];
  transport.start({ onPacket: (data) => packets.push([...data]), onEnd: (error) => ends.push(error) });
  const come = (...bytes: number[]) => {
    state.bytes = Buffer.concat([state.bytes, Buffer.from(bytes)]);
    for (const onReadable of fake.watched) onReadable();
  };
  const end = () => {
    state.ended = true;
    for (const onReadable of fake.watched) onReadable();
  };
  return { transport, packets, ends, state, come, end };
}

test("what was read before comes first, whole frames and the beginning of one", async () => {
  const { transport, packets, come, state } = streaming(Uint8Array.of(0, 2, 1, 1, 0, 1, 2, 0));
  expect(packets).toEqual([[1, 1], [2]]);
  let attached = false;
  const attaching = transport.attach(() => {
    attached = true;
  });
  come(3);
  expect(packets).toHaveLength(2);
  come(7, 8);
  await Promise.resolve();
  expect(attached).toBe(false);
  // The rest of that frame, and no byte of the next.
  come(9, 0, 1);
  await attaching;
  expect(attached).toBe(true);
  expect(packets).toEqual([[1, 1], [2], [7, 8, 9]]);
  expect([...state.bytes]).toEqual([0, 1]);
});

test("a socket that is readable without a whole frame is emptied, so that nothing spins", () => {
  const { packets, come, state } = streaming(new Uint8Array(0));
  come(0, 4, 1);
  expect([state.lowWater, state.bytes.length]).toEqual([6, 3]);
  come();
  expect([state.lowWater, state.bytes.length]).toEqual([3, 0]);
  come(2, 3, 4);
  expect(packets).toEqual([[1, 2, 3, 4]]);
  expect(state.lowWater).toBe(1);
});

test("a peer waits only so long for the rest of a frame, and the transport stays", async () => {
  vi.useFakeTimers();
  const { transport, packets, come, ends } = streaming(Uint8Array.of(0));
  const attaching = transport.attach(() => {}).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await attaching).toMatchObject({ code: "timeout", effect: "none" });
  come(1, 5);
  expect(packets).toEqual([[5]]);
  expect(ends).toEqual([]);
});

test.each<[string, number[], number[], string | undefined]>([
  ["between frames", [], [], undefined],
  ["within what was read before", [0, 3], [], "protocol"],
  ["within what came", [], [0, 3, 1], "protocol"],
])("an end %s", (_where, head, bytes, code) => {
  const { ends, come, end } = streaming(Uint8Array.from(head));
  come(...bytes);
  end();
  expect(ends).toHaveLength(1);
  expect((ends[0] as { code?: string } | undefined)?.code).toBe(code);
});

test("an empty frame in what was read before ends the transport", () => {
  const { packets, ends } = streaming(Uint8Array.of(0, 1, 5, 0, 0, 0, 1, 6));
  expect(packets).toEqual([[5]]);
  expect(ends).toMatchObject([{ code: "protocol" }]);
});

test("a stream that the kernel let go of is not read as packets", async () => {
  const { transport, packets, come, ends } = streaming(new Uint8Array(0));
  await transport.attach(() => {});
  come(0, 2, 1, 1);
  // Two frames in one look: it is a plain stream again.
  come(0, 1, 5, 0, 1, 6);
  come(0, 1, 7);
  expect(packets).toEqual([[1, 1]]);
  expect(ends).toEqual([]);
});
