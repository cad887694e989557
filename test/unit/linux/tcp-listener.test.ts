/**
 * A listener whose process runs out of things, and one that is flooded.
 */
import { afterEach, expect, test, vi } from "vitest";
import type { BackendTransport, ListenRequest } from "../../../src/core/backend.ts";
import type { NamespaceContext } from "../../../src/linux/context.ts";
import { TcpListener } from "../../../src/linux/tcp-connect.ts";
import { EAGAIN, fakeFfi, fakePosix } from "./fake-sockets.ts";

const EMFILE = 24;
const EPROTO = 71;
const EHOSTUNREACH = 113;
const EINVAL = 22;

const request: ListenRequest = {
  protocol: "tcp",
  local: { family: 4, bytes: new Uint8Array(4), text: "0.0.0.0", port: 1194, scopeId: 0 },
  dualStack: false,
  queueLimit: 8,
  backlog: 8,
  extras: {},
};

afterEach(() => {
  vi.useRealTimers();
});

/** A listener whose `accept` gives these, and then nothing. */
function listener(accepts: number[]) {
  const loop = fakeFfi();
  const closed: number[] = [];
  const posix = fakePosix({
    socket: () => 5,
    bind: () => {},
    listen: () => {},
    accept: () => accepts.shift() ?? -EAGAIN,
    close: (fd) => {
      closed.push(fd);
    },
  });
  const context = { run: <T>(body: () => T) => body() } as NamespaceContext;
  const transports: BackendTransport[] = [];
  const ends: (Error | undefined)[] = [];
  const made = new TcpListener(loop.ffi, posix, context, request, "framed");
  made.start(
    (transport) => transports.push(transport),
    (error) => ends.push(error),
  );
  return { loop, closed, transports, ends, made, accepts };
}

test("out of descriptors it pauses, also when it cannot even watch, and goes on", async () => {
  vi.useFakeTimers();
  const { loop, accepts, transports, ends } = listener([-EMFILE]);
  loop.watched[0]?.();
  expect(loop.watched).toHaveLength(0);
  loop.fail = new Error("out of descriptors");
  await vi.advanceTimersByTimeAsync(5000);
  expect(loop.watched).toHaveLength(0);
  loop.fail = undefined;
  accepts.push(11);
  await vi.advanceTimersByTimeAsync(5000);
  loop.watched[0]?.();
  expect(transports).toHaveLength(1);
  expect(ends).toEqual([]);
});

test("errors of a connection that is gone do not end it", () => {
  const { loop, transports, ends } = listener([-EPROTO, -EHOSTUNREACH, 11]);
  loop.watched[0]?.();
  expect(transports).toHaveLength(1);
  expect(ends).toEqual([]);
});

test("an error of its own does", () => {
  const { loop, ends, closed } = listener([-EINVAL]);
  loop.watched[0]?.();
  expect(ends).toMatchObject([{ native: { name: "EINVAL" } }]);
  expect(closed).toEqual([5]);
});

test("a flood of connections leaves the event loop its turns", () => {
  const { loop, transports, accepts } = listener(Array.from({ length: 1000 }, (_, n) => 100 + n));
  loop.watched[0]?.();
  expect(transports.length).toBeGreaterThan(0);
  expect(transports.length).toBeLessThan(200);
  while (accepts.length > 0) loop.watched[0]?.();
  expect(transports).toHaveLength(1000);
});

test("a listener that was closed while it paused stays closed", async () => {
  vi.useFakeTimers();
  const { loop, made, closed } = listener([-EMFILE]);
  loop.watched[0]?.();
  await made.close();
  await vi.advanceTimersByTimeAsync(5000);
  expect(loop.watched).toHaveLength(0);
  expect(closed).toEqual([5]);
});
