import { expect, test } from "vitest";
import type { WireTracer } from "../../../src/core/trace.ts";
import type { Posix } from "../../../src/ffi/posix.ts";
import { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import { NLMSG_ERROR } from "../../../src/netlink/codec/constants.ts";
import type { NetlinkMessage } from "../../../src/netlink/codec/message.ts";
import { NetlinkSocket } from "../../../src/netlink/netlink-socket.ts";

const REQUEST = 0x20;
const [REQUEST_FLAG, ACK_FLAG] = [1, 4];
const [ENOENT, EPERM, EAGAIN] = [2, 1, 11];
const format = { name: "test", kinds: () => undefined };

/** One message, as the kernel sends it. */
function datagram(write: (builder: MessageBuilder) => void): Buffer {
  const builder = new MessageBuilder();
  write(builder);
  builder.endMessage();
  return Buffer.from(builder.bytes());
}

const answer = (sequence: number, value: number) =>
  datagram((builder) => {
    builder.beginMessage(REQUEST, 0, sequence);
    builder.word(value);
  });

/** A refusal with the header of the request behind the code. */
const refusal = (sequence: number, errno: number) =>
  datagram((builder) => {
    builder.beginMessage(NLMSG_ERROR, 0, sequence);
    for (const word of [-errno, 16, REQUEST, sequence, 0]) builder.word(word);
  });

/** A socket whose next datagrams are these; `sent` holds what was sent. */
function socketThatReceives(...datagrams: Buffer[]) {
  const sent: Buffer[] = [];
  const posix = {
    socket: () => 3,
    setsockopt() {},
    bind() {},
    close() {},
    send(_fd: number, bytes: Uint8Array) {
      sent.push(Buffer.from(bytes));
      return bytes.length;
    },
    recv(_fd: number, into: Uint8Array) {
      const next = datagrams.shift();
      if (next === undefined) return -EAGAIN;
      into.set(next);
      return next.length;
    },
  };
  const tracer = { wanted: false } as WireTracer;
  const user = { backend: "test", neededRight: "a right" };
  const socket = new NetlinkSocket(posix as unknown as Posix, 16, user, tracer);
  const get = (isNone?: Parameters<NetlinkSocket["get"]>[3]) =>
    socket.get(
      format,
      (builder, sequence) => {
        builder.beginMessage(REQUEST, REQUEST_FLAG | ACK_FLAG, sequence);
        builder.endMessage();
      },
      ({ view, start }: NetlinkMessage) => view.getUint32(start, true),
      isNone,
    );
  return { sent, get };
}

test("one message is asked for without an acknowledgement, and none is waited for", () => {
  const { sent, get } = socketThatReceives(answer(1, 7), answer(2, 8));
  expect([get(), get()]).toEqual([7, 8]);
  expect(sent.map((bytes) => bytes.readUInt16LE(6))).toEqual([REQUEST_FLAG, REQUEST_FLAG]);
});

test("what is left of an earlier request is passed over, an answer as well as a refusal", () => {
  const left = [answer(90, 1), refusal(91, ENOENT)];
  expect(socketThatReceives(...left, answer(1, 7)).get()).toBe(7);
  expect(socketThatReceives(Buffer.concat([...left, answer(1, 7)])).get()).toBe(7);
});

test("a longer datagram before it leaves nothing behind in a shorter one", () => {
  const long = datagram((builder) => {
    builder.beginMessage(REQUEST, 0, 90);
    for (let n = 0; n < 50; n++) builder.word(0xffffffff);
  });
  expect(socketThatReceives(long, answer(1, 7)).get()).toBe(7);
});

test("a refusal is an error, unless it only says that there is none", () => {
  expect(() => socketThatReceives(refusal(1, ENOENT)).get()).toThrow(
    expect.objectContaining({ code: "not-found", effect: "none" }),
  );
  const isNone = ({ errno }: { errno: number }) => errno === ENOENT;
  expect(socketThatReceives(refusal(1, ENOENT)).get(isNone)).toBeUndefined();
  expect(() => socketThatReceives(refusal(1, EPERM)).get(isNone)).toThrow(
    expect.objectContaining({ code: "permission" }),
  );
});

test("a kernel that does not answer is an error", () => {
  expect(() => socketThatReceives().get()).toThrow(expect.objectContaining({ code: "protocol" }));
});
