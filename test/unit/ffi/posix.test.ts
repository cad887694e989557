/**
 * The system calls, on sockets of this machine, through both adapters.
 */
import { closeSync, fstatSync, openSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { constants, networkInterfaces } from "node:os";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { type Ffi, loadFfi } from "../../../src/ffi/index.ts";
import { createPosix, type Posix } from "../../../src/ffi/posix.ts";
import {
  AF_INET,
  AF_INET6,
  packSockaddr,
  SOCKADDR_BYTES,
  type SocketEndpoint,
  thisLayout,
  unpackSockaddr,
} from "../../../src/ffi/sockaddr.ts";

const { EAGAIN, EBADF, ECONNREFUSED, EMSGSIZE } = constants.errno;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const freebsd = process.platform === "freebsd";
const SOL_SOCKET = freebsd ? 0xffff : 1;
const SO_RCVBUF = freebsd ? 0x1002 : 8;
const SO_TYPE = freebsd ? 0x1008 : 3;
const FD_CLOEXEC = 1;
const FIONREAD = freebsd ? 0x4004667f : 0x541b;
const POLLIN = 1;
const POLLOUT = 4;
const POLLNVAL = 0x20;
const CLONE_NEWNET = 0x40000000;
const LOOPBACK = freebsd ? "lo0" : "lo";
/** Containers often have no IPv6 at all. */
const LOOPBACK_ADDRESSES = (networkInterfaces()[LOOPBACK] ?? [])
  .map(({ address }) => address)
  .filter((address) => address === "127.0.0.1" || address === "::1");

const adapters: Ffi["name"][] = process.platform === "linux" ? ["koffi", "ffi-rs"] : ["koffi"];

describe.runIf(process.platform === "linux" || freebsd).each(adapters)("through %s", (name) => {
  let posix: Posix;
  const descriptors = new Set<number>();

  beforeAll(() => {
    posix = createPosix(loadFfi(name));
  });

  afterEach(() => {
    for (const fd of descriptors) posix.close(fd);
    descriptors.clear();
  });

  function udp(address = "127.0.0.1"): { fd: number; packed: Buffer; endpoint: SocketEndpoint } {
    const family = address.includes(":") ? AF_INET6[thisLayout()] : AF_INET;
    const fd = posix.socket(family, SOCK_DGRAM, 0);
    descriptors.add(fd);
    posix.bind(fd, packSockaddr({ address, port: 0 }));
    const buffer = Buffer.alloc(SOCKADDR_BYTES);
    const packed = buffer.subarray(0, posix.getsockname(fd, buffer));
    return { fd, packed, endpoint: unpackSockaddr(packed) as SocketEndpoint };
  }

  function code(body: () => unknown): unknown {
    try {
      return body();
    } catch (error) {
      if (!DcoError.is(error)) throw error;
      return `${error.code} ${error.native?.name}`;
    }
  }

  it.each(LOOPBACK_ADDRESSES)("sends and receives over %s", async (address) => {
    const here = udp(address);
    const there = udp(address);
    expect(here.endpoint).toEqual({ address, port: expect.any(Number), scopeId: 0 });
    expect(here.endpoint.port).toBeGreaterThan(0);
    expect(posix.connect(here.fd, there.packed)).toBe(true);
    const buffer = Buffer.alloc(SOCKADDR_BYTES);
    expect(posix.getpeername(here.fd, buffer)).toBe(there.packed.length);
    expect(unpackSockaddr(buffer)).toEqual(there.endpoint);

    expect(posix.send(here.fd, Buffer.from("one"), 0)).toBe(3);
    expect(await posix.sendAsync(here.fd, Buffer.from("two!"), 0)).toBe(4);
    const bytes = Buffer.alloc(16);
    const sender = Buffer.alloc(SOCKADDR_BYTES);
    expect(posix.recvfrom(there.fd, bytes, 0, sender)).toBe(3);
    expect(unpackSockaddr(sender)).toEqual(here.endpoint);
    expect(posix.recvfrom(there.fd, bytes, 0)).toBe(4);
    expect(bytes.toString("latin1", 0, 4)).toBe("two!");
    expect(posix.sendto(there.fd, Buffer.from("three"), 0, here.packed)).toBe(5);
    expect(posix.recv(here.fd, bytes, 0)).toBe(5);
    expect(bytes.toString("latin1", 0, 5)).toBe("three");
  });

  it("opens sockets that do not block and are closed on exec", () => {
    const { fd } = udp();
    expect(posix.fcntlGetFd(fd)).toBe(FD_CLOEXEC);
    // A blocking socket would stay here.
    expect(posix.recv(fd, Buffer.alloc(1), 0)).toBe(-EAGAIN);
    expect(posix.recvfrom(fd, Buffer.alloc(1), 0, Buffer.alloc(SOCKADDR_BYTES))).toBe(-EAGAIN);
  });

  it("gives errors of transfers as numbers", async () => {
    const { fd, packed } = udp();
    expect(posix.send(-1, Buffer.alloc(1), 0)).toBe(-EBADF);
    expect(posix.recv(-1, Buffer.alloc(1), 0)).toBe(-EBADF);
    expect(await posix.sendAsync(-1, Buffer.alloc(1), 0)).toBe(-EBADF);
    expect(posix.sendto(fd, Buffer.alloc(70_000), 0, packed)).toBe(-EMSGSIZE);
    const gone = udp();
    posix.connect(fd, gone.packed);
    posix.close(gone.fd);
    descriptors.delete(gone.fd);
    posix.send(fd, Buffer.alloc(1), 0);
    expect(posix.recv(fd, Buffer.alloc(1), 0)).toBe(-ECONNREFUSED);
  });

  it("throws other errors by their errno", () => {
    const { fd, packed } = udp();
    const other = posix.socket(AF_INET, SOCK_DGRAM, 0);
    descriptors.add(other);
    expect(code(() => posix.bind(other, packed))).toBe("busy EADDRINUSE");
    expect(code(() => posix.bind(other, packSockaddr({ address: "192.0.2.1", port: 0 })))).toBe(
      "socket EADDRNOTAVAIL",
    );
    expect(code(() => posix.bind(fd, packed))).toBe("invalid EINVAL");
    expect(code(() => posix.getpeername(other, Buffer.alloc(SOCKADDR_BYTES)))).toBe("socket ENOTCONN");
    expect(code(() => posix.getsockname(-1, Buffer.alloc(4)))).toBe("socket EBADF");
    expect(code(() => posix.setsockopt(fd, SOL_SOCKET, 9999, 1))).toBe("unsupported ENOPROTOOPT");
    expect(code(() => posix.open("/no/such/thing", 0))).toBe("not-found ENOENT");
    expect(code(() => posix.ifNameToIndex("no-such-if0"))).toMatch(/^not-found E/);
    expect(code(() => posix.socket(255, SOCK_DGRAM, 0))).toMatch(/^unsupported E/);
    expect(code(() => posix.fcntlDup(-1))).toBe("socket EBADF");
    expect(code(() => posix.ioctl(-1, FIONREAD, Buffer.alloc(4)))).toBe("socket EBADF");
  });

  it("says which call failed on what", () => {
    expect(() => posix.setsockopt(-1, 7, 5, 1)).toThrow("setsockopt (fd -1, level 7, option 5): EBADF");
    expect(() => posix.ioctl(-1, 0xc028697b, Buffer.alloc(1))).toThrow(
      "ioctl (fd -1, request 0xc028697b): EBADF",
    );
  });

  it("sets and reads options, as integers and as bytes", () => {
    const { fd } = udp();
    expect(posix.getsockoptInt(fd, SOL_SOCKET, SO_TYPE)).toBe(SOCK_DGRAM);
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 30_000);
    // Linux doubles it.
    expect([30_000, 60_000]).toContain(posix.getsockoptInt(fd, SOL_SOCKET, SO_RCVBUF));
    const value = Buffer.alloc(4);
    value.writeInt32LE(20_000);
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, value);
    const read = Buffer.alloc(8, 0xee);
    expect(posix.getsockopt(fd, SOL_SOCKET, SO_RCVBUF, read)).toBe(4);
    expect([20_000, 40_000]).toContain(read.readInt32LE(0));
    expect(read.readUInt32LE(4)).toBe(0xeeeeeeee);
  });

  it("closes, here and on a pool thread", async () => {
    const here = posix.fcntlDup(0);
    posix.close(here);
    expect(code(() => posix.fcntlGetFd(here))).toBe("socket EBADF");
    expect(code(() => posix.close(here))).toBe("socket EBADF");
    const there = posix.socket(AF_INET, SOCK_DGRAM, 0);
    const closing = posix.closeAsync(there);
    await closing;
    expect(code(() => posix.fcntlGetFd(there))).toBe("socket EBADF");
    await expect(posix.closeAsync(-1)).rejects.toMatchObject({ code: "socket" });
  });

  it("duplicates: the socket lives until the last is closed", () => {
    const { fd, packed } = udp();
    const copy = posix.fcntlDup(fd);
    descriptors.add(copy);
    expect(copy).not.toBe(fd);
    expect(posix.fcntlGetFd(copy)).toBe(FD_CLOEXEC);
    posix.close(fd);
    descriptors.delete(fd);
    const buffer = Buffer.alloc(SOCKADDR_BYTES);
    posix.getsockname(copy, buffer);
    expect(buffer.subarray(0, packed.length).equals(packed)).toBe(true);
  });

  it("opens files, closed on exec", () => {
    const fd = posix.open("/etc/hosts", 0);
    descriptors.add(fd);
    const known = openSync("/etc/hosts", "r");
    expect(fstatSync(fd).ino).toBe(fstatSync(known).ino);
    closeSync(known);
    expect(posix.fcntlGetFd(fd)).toBe(FD_CLOEXEC);
  });

  it("makes ioctls, here and on a pool thread", async () => {
    const here = udp();
    const there = udp();
    posix.sendto(here.fd, Buffer.alloc(123), 0, there.packed);
    const count = Buffer.alloc(4);
    expect(posix.ioctl(there.fd, FIONREAD, count)).toBe(0);
    expect(count.readInt32LE(0)).toBeGreaterThanOrEqual(123);
    count.fill(0);
    expect(await posix.ioctlAsync(there.fd, FIONREAD, count)).toBe(0);
    expect(count.readInt32LE(0)).toBeGreaterThanOrEqual(123);
    await expect(posix.ioctlAsync(-1, FIONREAD, count)).rejects.toMatchObject({ code: "socket" });
  });

  it("polls", () => {
    const here = udp();
    const there = udp();
    expect(posix.poll(there.fd, POLLIN)).toBe(0);
    expect(posix.poll(there.fd, POLLIN | POLLOUT)).toBe(POLLOUT);
    posix.sendto(here.fd, Buffer.alloc(1), 0, there.packed);
    expect(posix.poll(there.fd, POLLIN, 1000)).toBe(POLLIN);
    expect(posix.poll(there.fd, POLLIN | POLLOUT)).toBe(POLLIN | POLLOUT);
    posix.close(here.fd);
    descriptors.delete(here.fd);
    expect(posix.poll(here.fd, POLLIN)).toBe(POLLNVAL);
  });

  it("connects over TCP without waiting", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    while (!server.listening) await turn();
    const { port } = server.address() as AddressInfo;
    const accepted = new Promise((resolve) =>
      server.once("connection", (socket) => resolve(socket.destroy())),
    );
    const fd = posix.socket(AF_INET, SOCK_STREAM, 0);
    descriptors.add(fd);
    expect([true, false]).toContain(posix.connect(fd, packSockaddr({ address: "127.0.0.1", port })));
    await accepted;
    expect(posix.getpeername(fd, Buffer.alloc(SOCKADDR_BYTES))).toBe(16);
    server.close();
  });

  it("finds interfaces", () => {
    expect(posix.ifNameToIndex(LOOPBACK)).toBeGreaterThan(0);
  });

  it.runIf(process.platform === "linux")("refuses a namespace that is none", () => {
    expect(code(() => posix.setns(-1, CLONE_NEWNET))).toBe("socket EBADF");
    expect(code(() => posix.setns(udp().fd, CLONE_NEWNET))).toBe("invalid EINVAL");
  });

  it.runIf(freebsd)("has no namespaces", () => {
    expect(code(() => posix.setns(0, CLONE_NEWNET))).toBe("unsupported undefined");
  });
});

describe.runIf(process.platform === "linux" || freebsd)("interrupted calls", () => {
  const EINTR = 4;

  /** An adapter whose functions are interrupted twice, and then give 7. */
  function interrupting(): { posix: Posix; calls: Map<string, number> } {
    const calls = new Map<string, number>();
    const func = (name: string) => {
      const call = () => {
        const n = (calls.get(name) ?? 0) + 1;
        calls.set(name, n);
        return n <= 2 ? -EINTR : 7;
      };
      return Object.assign(call, { async: async () => call() });
    };
    const ffi = { library: () => ({ func, has: () => true }), errno: () => EINTR };
    return { posix: createPosix(ffi as unknown as Ffi), calls };
  }

  it("are made again", async () => {
    const bytes = Buffer.alloc(8);
    const attempts: [string, (posix: Posix) => unknown][] = [
      ["send", (posix) => posix.send(1, bytes, 0)],
      ["send", (posix) => posix.sendAsync(1, bytes, 0)],
      ["sendto", (posix) => posix.sendto(1, bytes, 0, bytes)],
      ["recv", (posix) => posix.recv(1, bytes, 0)],
      ["recvfrom", (posix) => posix.recvfrom(1, bytes, 0, bytes)],
      ["fcntl", (posix) => posix.fcntlDup(1)],
      ["open", (posix) => posix.open("/", 0)],
      ["ioctl", (posix) => posix.ioctl(1, 1, bytes)],
      ["ioctl", (posix) => posix.ioctlAsync(1, 1, bytes)],
    ];
    for (const [name, attempt] of attempts) {
      const { posix, calls } = interrupting();
      expect([name, await attempt(posix), calls.get(name)]).toEqual([name, 7, 3]);
    }
  });

  it("are not made again where that would do harm", async () => {
    const { posix, calls } = interrupting();
    // The descriptor may belong to another by then.
    posix.close(1);
    await posix.closeAsync(1);
    expect(calls.get("close")).toBe(2);
    // The connection goes on by itself.
    expect(posix.connect(1, Buffer.alloc(16))).toBe(false);
    expect(calls.get("connect")).toBe(1);
  });
});
