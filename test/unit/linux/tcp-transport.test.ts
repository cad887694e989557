/**
 * A TCP transport whose other end does not read.
 */
import { afterEach, expect, test, vi } from "vitest";
import { TcpTransport } from "../../../src/linux/tcp-transport.ts";
import { EAGAIN, fakeFfi, fakePosix } from "./fake-sockets.ts";

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
