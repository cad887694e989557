/**
 * A TCP transport with a peer of the module that leaves the socket a stream, and keeps it after the peer's end.
 */
import { expect, test } from "vitest";
import { TcpTransport } from "../../../src/linux/tcp-transport.ts";
import { SO_ERROR, SO_MEMINFO, SO_RCVLOWAT } from "../../../src/sockets/socket-address.ts";
import { EAGAIN, fakeFfi, fakePosix } from "./fake-sockets.ts";

const MSG_OOB = 1;
const EINVAL = 22;
const ECONNRESET = 104;
const SNDBUF = 16_384;

const frame = (...bytes: number[]) => [0, bytes.length, ...bytes];

/** A socket of such a module. */
function streamed() {
  const state = {
    bytes: Buffer.alloc(0),
    ended: false,
    errno: 0,
    held: false,
    queued: 0,
    lowWater: [] as unknown[],
    sent: [] as number[][],
    closed: false,
  };
  const fake = fakeFfi();
  const posix = fakePosix({
    recv: (_fd, into, flags) => {
      if ((flags & MSG_OOB) !== 0) return state.held ? -EAGAIN : -EINVAL;
      if (state.bytes.length === 0) return state.ended ? 0 : -EAGAIN;
      const size = state.bytes.copy(into);
      state.bytes = state.bytes.subarray(size);
      return size;
    },
    send: (_fd, bytes) => {
      state.sent.push([...bytes]);
      return bytes.length;
    },
    getsockopt: (_fd, _level, option, value) => {
      if (option !== SO_MEMINFO) return 4;
      const words = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      words.writeUInt32LE(SNDBUF, 4 * 3);
      words.writeUInt32LE(state.queued, 4 * 5);
      return value.byteLength;
    },
    getsockoptInt: (_fd, _level, option) => (option === SO_ERROR ? state.errno : 2),
    setsockopt: (_fd, _level, option, value) => {
      if (option === SO_RCVLOWAT) state.lowWater.push(value);
    },
    closeAsync: async () => {
      state.closed = true;
    },
  });
  const transport = new TcpTransport(fake.ffi, posix, 9, undefined, false, "streamed");
  const packets: number[][] = [];
  const ends: (Error | undefined)[] = [];
  transport.start({ onPacket: (data) => packets.push([...data]), onEnd: (error) => ends.push(error) });
  const come = (...bytes: number[]) => {
    state.bytes = Buffer.concat([state.bytes, Buffer.from(bytes)]);
    for (const wake of [...fake.watched]) wake();
  };
  const attach = () =>
    transport.attach(() => {
      state.held = true;
    });
  return { transport, state, packets, ends, come, attach, watched: fake.watched };
}

/** Longer than the transport waits between two looks. */
const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

test("after the attach the module is made to look at what came before", async () => {
  const { state, attach } = streamed();
  await attach();
  expect(state.lowWater).toEqual([1]);
});

test("frames come merged and split, and go out as packets", async () => {
  const { packets, come, attach } = streamed();
  await attach();
  come(...frame(1, 2, 3, 4), ...frame(5, 6, 7, 8, 9), 0);
  come(4, 10, 11);
  come(12, 13, ...frame(14, 15, 16, 17));
  expect(packets).toEqual([
    [1, 2, 3, 4],
    [5, 6, 7, 8, 9],
    [10, 11, 12, 13],
    [14, 15, 16, 17],
  ]);
});

test("a frame that holds no OpenVPN packet ends the transport", async () => {
  for (const bad of [[1, 2, 3], [6 << 3, 0, 0, 0, 0], []]) {
    const { packets, ends, come, attach } = streamed();
    await attach();
    come(...frame(0x38, 2, 3, 4), ...frame(...bad), ...frame(0x38, 6, 7, 8));
    expect(packets).toEqual([[0x38, 2, 3, 4]]);
    expect(ends).toMatchObject([{ code: "protocol" }]);
  }
});

test("what is read when the module has let go of the socket is nobody's packet", async () => {
  const { state, packets, ends, come, attach, watched } = streamed();
  await attach();
  state.held = false;
  come(...frame(0x48, 0, 0, 1));
  expect([packets, ends, watched]).toEqual([[], [], []]);
});

test("the end of the stream is an end, after a reset with why", async () => {
  for (const errno of [0, ECONNRESET]) {
    const { state, packets, ends, come, attach } = streamed();
    await attach();
    state.ended = true;
    state.errno = errno;
    come(...frame(1, 2, 3, 4));
    await soon();
    expect(packets).toEqual([[1, 2, 3, 4]]);
    if (errno === 0) expect(ends).toEqual([undefined]);
    else expect(ends).toMatchObject([{ native: { name: "ECONNRESET" } }]);
  }
});

test("a frame waits until there is room for the whole of it", async () => {
  const { transport, state, attach } = streamed();
  await attach();
  state.queued = SNDBUF / 2;
  const sending = transport.send(Uint8Array.of(1, 2), undefined);
  await soon();
  expect(state.sent).toEqual([]);
  state.queued = 0;
  await sending;
  expect(state.sent).toEqual([frame(1, 2)]);
});

test("the transport closes when the module has let go of the socket", async () => {
  const { transport, state, attach } = streamed();
  await attach();
  const closing = transport.close();
  await soon();
  expect(state.closed).toBe(false);
  state.held = false;
  await closing;
  expect(state.closed).toBe(true);
});
