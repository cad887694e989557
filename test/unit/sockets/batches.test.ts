/**
 * Many datagrams in one call: on real sockets, and on ones whose buffer is full or that refuse.
 */
import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix, type Posix } from "../../../src/ffi/posix.ts";
import { packSockaddr, SOCKADDR_BYTES, unpackSockaddr } from "../../../src/ffi/sockaddr.ts";
import { THIS_PROCESS } from "../../../src/ffi/types.ts";
import { readBatches } from "../../../src/sockets/batch-reader.ts";
import { canBatch, sourceControl } from "../../../src/sockets/message-slots.ts";
import { SendQueue } from "../../../src/sockets/send-queue.ts";
import { AF_INET, IPPROTO_UDP, SOCK_DGRAM } from "../../../src/sockets/socket-address.ts";

const { EAGAIN, EINVAL, EPERM } = constants.errno;
const ffi = loadFfi();

describe.runIf(canBatch(ffi))("datagrams in batches", () => {
  const posix = createPosix(ffi);
  const undo: (() => void)[] = [];

  afterEach(() => {
    for (const each of undo.splice(0).reverse()) each();
  });

  function socket(): { fd: number; address: Buffer; port: number } {
    const fd = posix.socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    undo.push(() => posix.close(fd));
    posix.bind(fd, packSockaddr({ address: "127.0.0.1", port: 0 }));
    const told = Buffer.alloc(SOCKADDR_BYTES);
    posix.getsockname(fd, told);
    const port = unpackSockaddr(told)?.port as number;
    return { fd, port, address: packSockaddr({ address: "127.0.0.1", port }) };
  }

  function queue(fd: number, calls: Posix = posix): SendQueue {
    const made = new SendQueue(ffi, calls, fd);
    undo.push(() => made.close());
    return made;
  }

  /** What arrives at a socket, with the sender's port; `look` may throw. */
  function reading(fd: number, look: (packet: Buffer) => void = () => {}) {
    const packets: { bytes: Buffer; from: number }[] = [];
    const sender = vi.fn((bytes: Buffer) => unpackSockaddr(bytes)?.port as number);
    const stop = readBatches<number>(ffi, posix, fd, {
      sender,
      onPacket(packet, from) {
        packets.push({ bytes: Buffer.from(packet), from });
        look(packet);
      },
      onEnd: (error) => packets.push({ bytes: Buffer.from(String(error)), from: -1 }),
    });
    undo.push(stop);
    return { packets, sender, stop };
  }

  const numbered = (count: number, size: (n: number) => number) =>
    Array.from({ length: count }, (_, n) => Buffer.alloc(size(n), n));

  async function arrived(list: readonly unknown[], count: number): Promise<void> {
    for (let tries = 0; list.length < count && tries < 200; tries++) await delay(10);
    expect(list.length).toBe(count);
  }

  it("arrive as they were sent, in their order, of any size, and each with its sender", async () => {
    const [one, two, to] = [socket(), socket(), socket()];
    const { packets, sender } = reading(to.fd);
    const sends = queue(one.fd);
    const sizes = [0, 1, 1400, 2048, 2049, 4000, 100];
    const sent = numbered(50, (n) => sizes[n % sizes.length] as number);
    for (const packet of sent) expect(sends.push(packet, to.address)).toBe(true);
    await arrived(packets, sent.length);
    expect(packets.map(({ bytes }) => bytes)).toEqual(sent);
    expect(new Set(packets.map(({ from }) => from))).toEqual(new Set([one.port]));
    expect(sender).toHaveBeenCalledTimes(1);
    const large = Buffer.alloc(65507, 5);
    sends.push(large, to.address);
    await arrived(packets, sent.length + 1);
    expect(packets.at(-1)?.bytes.equals(large)).toBe(true);
    const other = queue(two.fd);
    for (const from of [sends, other, sends]) {
      from.push(Buffer.of(1, 2, 3, 4), to.address);
      from.flush();
    }
    await arrived(packets, sent.length + 4);
    expect(packets.slice(-3).map(({ from }) => from)).toEqual([one.port, two.port, one.port]);
  });

  it("come from the address that is said, of any size, alone and together", async () => {
    const fd = posix.socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    undo.push(() => posix.close(fd));
    posix.bind(fd, packSockaddr({ address: "0.0.0.0", port: 0 }));
    const to = socket();
    const seen: { size: number; from: string }[] = [];
    undo.push(
      readBatches<string>(ffi, posix, to.fd, {
        sender: (bytes) => unpackSockaddr(bytes)?.address as string,
        onPacket: ({ length: size }, from) => seen.push({ size, from }),
        onEnd: (error) => expect.fail(String(error)),
      }),
    );
    const sends = queue(fd);
    const [one, two] = [
      sourceControl(Uint8Array.of(127, 9, 9, 1)),
      sourceControl(Uint8Array.of(127, 9, 9, 2)),
    ];
    const order = [one, one, one, two, undefined, one, two, two];
    for (const source of order) sends.push(Buffer.alloc(500), to.address, source);
    sends.push(Buffer.alloc(4000), to.address, two);
    sends.push(Buffer.alloc(4000), to.address);
    await arrived(seen, order.length + 2);
    const name = (source: Uint8Array | undefined) =>
      source === one ? "127.9.9.1" : source === two ? "127.9.9.2" : "127.0.0.1";
    expect(seen).toEqual([
      ...order.map((source) => ({ size: 500, from: name(source) })),
      { size: 4000, from: "127.9.9.2" },
      { size: 4000, from: "127.0.0.1" },
    ]);
  });

  it("of a blocking socket are read without waiting for more", async () => {
    const libc = ffi.library([THIS_PROCESS]);
    const fd = libc.func("socket", "i32", ["i32", "i32", "i32"])(AF_INET, SOCK_DGRAM, IPPROTO_UDP) as number;
    undo.push(() => posix.close(fd));
    posix.bind(fd, packSockaddr({ address: "127.0.0.1", port: 0 }));
    const told = Buffer.alloc(SOCKADDR_BYTES);
    posix.getsockname(fd, told);
    const { packets } = reading(fd);
    const from = socket();
    for (const n of [1, 2]) {
      posix.sendto(from.fd, Buffer.of(n), 0, told.subarray(0, 16));
      await arrived(packets, n);
    }
  });

  it("go together: one call for what a turn of the event loop sends", async () => {
    const [from, one, two] = [socket(), socket(), socket()];
    const sendmmsg = vi.fn(posix.sendmmsg);
    const sends = queue(from.fd, { ...posix, sendmmsg });
    const [atOne, atTwo] = [reading(one.fd), reading(two.fd)];
    for (let n = 0; n < 10; n++) sends.push(Buffer.of(n, 0, 0, 0), n % 3 === 0 ? two.address : one.address);
    expect(sendmmsg).not.toHaveBeenCalled();
    await arrived(atOne.packets, 6);
    await arrived(atTwo.packets, 4);
    expect(sendmmsg).toHaveBeenCalledTimes(1);
    expect(atTwo.packets.map(({ bytes }) => bytes[0])).toEqual([0, 3, 6, 9]);
    for (let n = 0; n < 100; n++) sends.push(Buffer.of(n, 0, 0, 0), one.address);
    await arrived(atOne.packets, 106);
    expect(sendmmsg).toHaveBeenCalledTimes(1 + 4);
  });

  it("of one size to one address go through the stack as one message, and arrive as several", async () => {
    const [from, to, other] = [socket(), socket(), socket()];
    const sendmmsg = vi.fn(posix.sendmmsg);
    const sends = queue(from.fd, { ...posix, sendmmsg });
    const { packets } = reading(to.fd);
    const messages = async (sizes: readonly number[]) => {
      const sent = numbered(sizes.length, (n) => sizes[n] as number);
      const before = packets.length;
      sendmmsg.mockClear();
      for (const packet of sent) sends.push(packet, to.address);
      await arrived(packets, before + sent.length);
      expect(packets.slice(before).map(({ bytes }) => bytes)).toEqual(sent);
      return sendmmsg.mock.calls.map(([, , count]) => count);
    };
    expect(await messages([1400, 1400, 1400, 1400])).toEqual([1]);
    // A shorter one may be the last of a message.
    expect(await messages([1400, 1400, 700, 700, 1400, 1400])).toEqual([3]);
    expect(await messages([1, 2, 3, 3, 3, 1])).toEqual([3]);
    expect(await messages([0, 0, 5, 0])).toEqual([4]);
    expect(await messages(Array.from({ length: 64 }, () => 2048))).toEqual([2, 2]);
    const atOther = reading(other.fd);
    sendmmsg.mockClear();
    for (const { address } of [to, other, other, to]) sends.push(Buffer.alloc(9), address);
    await arrived(atOther.packets, 2);
    expect(sendmmsg.mock.calls.map(([, , count]) => count)).toEqual([3]);
  });

  it("go one by one where the path refuses such messages, and from then on", async () => {
    const [from, to] = [socket(), socket()];
    const counts: number[] = [];
    const sendmmsg: Posix["sendmmsg"] = (fd, messages, count, flags) => {
      counts.push(count);
      return count === 1 ? -EINVAL : posix.sendmmsg(fd, messages, count, flags);
    };
    const sends = queue(from.fd, { ...posix, sendmmsg });
    const { packets } = reading(to.fd);
    for (let n = 0; n < 4; n++) sends.push(Buffer.of(n, 0, 0, 0), to.address);
    await arrived(packets, 4);
    expect(counts).toEqual([1, 4]);
    for (let n = 4; n < 8; n++) sends.push(Buffer.of(n, 0, 0, 0), to.address);
    await arrived(packets, 8);
    expect(counts).toEqual([1, 4, 4]);
    expect(packets.map(({ bytes }) => bytes[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it("go one by one where the kernel does not know such messages", async () => {
    const [from, to] = [socket(), socket()];
    const counts: number[] = [];
    const getsockoptInt: Posix["getsockoptInt"] = () => {
      throw new DcoError("unsupported", "ENOPROTOOPT");
    };
    const sendmmsg: Posix["sendmmsg"] = (fd, messages, count, flags) => {
      counts.push(count);
      return posix.sendmmsg(fd, messages, count, flags);
    };
    const sends = queue(from.fd, { ...posix, getsockoptInt, sendmmsg });
    const { packets } = reading(to.fd);
    for (let n = 0; n < 4; n++) sends.push(Buffer.of(n, 0, 0, 0), to.address);
    await arrived(packets, 4);
    expect(counts).toEqual([4]);
  });

  it("wait while the socket's buffer is full, up to a bound, and then go out in their order", async () => {
    const [from, to] = [socket(), socket()];
    let full = true;
    let tries = 0;
    // When there is room again it is for two at a time, so that the receiver can keep up.
    const sendto: Posix["sendto"] = (...args) =>
      full || ++tries % 3 === 0 ? -EAGAIN : posix.sendto(...args);
    const sendmmsg: Posix["sendmmsg"] = (fd, messages, count, flags) =>
      // Three more fit.
      full && count <= 7 ? -EAGAIN : posix.sendmmsg(fd, messages, full ? 3 : count, flags);
    const sends = queue(from.fd, { ...posix, sendto, sendmmsg });
    const { packets } = reading(to.fd);
    // Each is longer than the one before, so that each is a message of its own.
    const sent = numbered(10, (n) => 1000 + n);
    for (const packet of sent) sends.push(packet, to.address);
    await arrived(packets, 3);
    expect(sends.isEmpty).toBe(false);
    let taken = 0;
    while (sends.push(Buffer.alloc(60_000, 0xff), to.address)) taken++;
    expect(taken).toBeGreaterThan(10);
    expect(taken).toBeLessThan(20);
    await delay(20);
    expect(packets.length).toBe(3);
    full = false;
    await arrived(packets, 10 + taken);
    expect(packets.slice(0, 10).map(({ bytes }) => bytes)).toEqual(sent);
    expect(sends.isEmpty).toBe(true);
    expect(sends.push(Buffer.alloc(4), to.address)).toBe(true);
    await arrived(packets, 11 + taken);
  });

  it("that the system refuses are lost; those after them are not", async () => {
    const [from, to] = [socket(), socket()];
    let calls = 0;
    const sendmmsg: Posix["sendmmsg"] = (fd, messages, count, flags) => {
      calls++;
      if (calls === 1) return posix.sendmmsg(fd, messages, 2, flags);
      return calls === 2 ? -EPERM : posix.sendmmsg(fd, messages, count, flags);
    };
    const sends = queue(from.fd, { ...posix, sendmmsg });
    const { packets } = reading(to.fd);
    for (const packet of numbered(6, (n) => 4 + n)) sends.push(packet, to.address);
    await arrived(packets, 5);
    expect(packets.map(({ bytes }) => bytes[0])).toEqual([0, 1, 3, 4, 5]);
  });

  it("are all handed on though a reader throws, and its error is not swallowed", async () => {
    const [from, to] = [socket(), socket()];
    const thrown: unknown[] = [];
    const catcher = (error: unknown) => thrown.push(error);
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", catcher);
    undo.push(() => {
      process.off("uncaughtException", catcher);
      for (const other of others) process.on("uncaughtException", other);
    });
    const error = new Error("a reader's mistake");
    const { packets } = reading(to.fd, (packet) => {
      if (packet[0] === 1) throw error;
    });
    const sends = queue(from.fd);
    for (let n = 0; n < 4; n++) sends.push(Buffer.of(n, 0, 0, 0), to.address);
    await arrived(packets, 4);
    expect(thrown).toEqual([error]);
  });

  it("are not handed on after reading was stopped, also within a batch", async () => {
    const [from, to] = [socket(), socket()];
    const { packets, stop } = reading(to.fd, (packet) => {
      if (packet[0] === 1) stop();
    });
    const sends = queue(from.fd);
    for (let n = 0; n < 4; n++) sends.push(Buffer.of(n, 0, 0, 0), to.address);
    await delay(50);
    expect(packets.map(({ bytes }) => bytes[0])).toEqual([0, 1]);
  });

  it("that were pushed are sent when the queue closes", async () => {
    const [from, to] = [socket(), socket()];
    const { packets } = reading(to.fd);
    const sends = queue(from.fd);
    sends.push(Buffer.of(7, 0, 0, 0), to.address);
    sends.close();
    await arrived(packets, 1);
  });
});
