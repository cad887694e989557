/**
 * System calls of Linux and FreeBSD, synchronous where nothing is said.
 *
 * Calls that an interruption stopped (EINTR) are made again. Errors are by errno (see errno.ts), except where
 * a result below zero says so: those are `-errno`, so that EAGAIN and ENOBUFS on hot paths cost nothing.
 */
import { DcoError } from "../core/errors.ts";
import { errnoError, errnoNumber } from "./errno.ts";
import type { Ffi, NativeArgument, NativeFunction } from "./types.ts";
import { THIS_PROCESS } from "./types.ts";

/** The wrappers; flags and option numbers are the system's own. */
export interface Posix {
  /** A non-blocking socket that is closed on exec. */
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array): void;
  /** @returns false while it is in progress */
  connect(fd: number, address: Uint8Array): boolean;
  listen(fd: number, backlog: number): void;
  /** A connection, non-blocking and closed on exec, or `-errno`. Linux and FreeBSD. */
  accept(fd: number): number;
  /** Fills `address`; @returns the length of the whole address, which may be more than there was room for */
  getsockname(fd: number, address: Uint8Array): number;
  /** As `getsockname`, of the other side. */
  getpeername(fd: number, address: Uint8Array): number;
  /** A number is an `int`. */
  setsockopt(fd: number, level: number, option: number, value: number | Uint8Array): void;
  /** Fills `value`; @returns its length */
  getsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  /** An option that is an `int`. */
  getsockoptInt(fd: number, level: number, option: number): number;
  /** @returns bytes, or `-errno` */
  send(fd: number, bytes: Uint8Array, flags: number): number;
  /** As `send`, on a pool thread: for requests that the kernel answers within the call. */
  sendAsync(fd: number, bytes: Uint8Array, flags: number): Promise<number>;
  /** @returns bytes, or `-errno` */
  sendto(fd: number, bytes: Uint8Array, flags: number, address: Uint8Array): number;
  /** @returns bytes, or `-errno` */
  recv(fd: number, bytes: Uint8Array, flags: number): number;
  /** Fills `address` with the sender, if given; @returns bytes, or `-errno` */
  recvfrom(fd: number, bytes: Uint8Array, flags: number, address?: Uint8Array): number;
  /** For what is no socket; @returns bytes, or `-errno` */
  read(fd: number, bytes: Uint8Array): number;
  /** For what is no socket; @returns bytes, or `-errno` */
  write(fd: number, bytes: Uint8Array): number;
  /** Linux: fills up to `count` messages (`struct mmsghdr`); @returns how many, or `-errno` */
  recvmmsg(fd: number, messages: Uint8Array, count: number, flags: number): number;
  /** Linux: sends messages (`struct mmsghdr`); @returns how many, or `-errno` if the first could not be sent */
  sendmmsg(fd: number, messages: Uint8Array, count: number, flags: number): number;
  close(fd: number): void;
  /** Closes on a pool thread: the last close of an attached socket takes long. */
  closeAsync(fd: number): Promise<void>;
  /** A duplicate that is closed on exec. */
  fcntlDup(fd: number): number;
  /** The descriptor's flags; 1 is FD_CLOEXEC. */
  fcntlGetFd(fd: number): number;
  /** With O_CLOEXEC. */
  open(path: string, flags: number): number;
  /** `argument`: bytes that the kernel reads and fills, or an integer. @returns what the call returned */
  ioctl(fd: number, request: number, argument: Uint8Array | number): number;
  /** As `ioctl`, on a pool thread. */
  ioctlAsync(fd: number, request: number, argument: Uint8Array): Promise<number>;
  /** Linux: moves this thread into a namespace. */
  setns(fd: number, type: number): void;
  /** The index of a network interface of this thread's namespace. Errors: `not-found`. */
  ifNameToIndex(name: string): number;
  /**
   * Which of `events` a descriptor has, and errors.
   *
   * @param timeout milliseconds; default 0. Blocks the thread.
   */
  poll(fd: number, events: number, timeout?: number): number;
}

interface SystemNumbers {
  /** SOCK_CLOEXEC | SOCK_NONBLOCK. */
  readonly socketFlags: number;
  readonly dupCloexec: number;
  readonly openCloexec: number;
}

/** Linux asm-generic/fcntl.h and net.h; FreeBSD sys/socket.h and sys/fcntl.h. */
const NUMBERS: Record<"linux" | "freebsd", SystemNumbers> = {
  linux: { socketFlags: 0x80800, dupCloexec: 1030, openCloexec: 0x80000 },
  freebsd: { socketFlags: 0x30000000, dupCloexec: 17, openCloexec: 0x100000 },
};

const F_GETFD = 1;
const EINTR = 4;

/** Binds the system calls of this machine. Errors: `unsupported` where it is not Linux or FreeBSD. */
export function createPosix(ffi: Ffi): Posix {
  const { platform } = process;
  if (platform !== "linux" && platform !== "freebsd") {
    throw new DcoError("unsupported", `POSIX calls are for Linux and FreeBSD, not ${platform}`);
  }
  const numbers = NUMBERS[platform];
  const libc = ffi.library([THIS_PROCESS]);
  const call = (name: string, ...parameters: Parameters<typeof libc.func>[2][number][]) =>
    libc.func(name, "i32", parameters, { errno: true });
  const transfer = (name: string, ...parameters: Parameters<typeof libc.func>[2][number][]) =>
    libc.func(name, "isize", parameters, { errno: true });

  const socket = call("socket", "i32", "i32", "i32");
  const bind = call("bind", "i32", "buffer", "u32");
  const connect = call("connect", "i32", "buffer", "u32");
  const listen = call("listen", "i32", "i32");
  const accept4 = call("accept4", "i32", "pointer", "pointer", "i32");
  const getsockname = call("getsockname", "i32", "buffer", "buffer");
  const getpeername = call("getpeername", "i32", "buffer", "buffer");
  const setsockopt = call("setsockopt", "i32", "i32", "i32", "buffer", "u32");
  const getsockopt = call("getsockopt", "i32", "i32", "i32", "buffer", "buffer");
  const send = transfer("send", "i32", "buffer", "usize", "i32");
  const sendto = transfer("sendto", "i32", "buffer", "usize", "i32", "buffer", "u32");
  const recv = transfer("recv", "i32", "buffer", "usize", "i32");
  const recvfrom = transfer("recvfrom", "i32", "buffer", "usize", "i32", "buffer", "buffer");
  const read = transfer("read", "i32", "buffer", "usize");
  const write = transfer("write", "i32", "buffer", "usize");
  const close = call("close", "i32");
  const fcntl = call("fcntl", "i32", "i32", "i32");
  const open = call("open", "string", "i32", "u32");
  const ioctl = call("ioctl", "i32", "usize", "buffer");
  const ioctlInteger = call("ioctl", "i32", "usize", "isize");
  const poll = call("poll", "buffer", "usize", "i32");
  const nameToIndex = libc.func("if_nametoindex", "u32", ["string"]);
  /** Their structures are Linux's. */
  const linuxCall = (name: string, ...parameters: Parameters<typeof libc.func>[2][number][]) =>
    platform === "linux" ? call(name, ...parameters) : lacking(platform, name);
  const recvmmsg = linuxCall("recvmmsg", "i32", "buffer", "u32", "i32", "pointer");
  const sendmmsg = linuxCall("sendmmsg", "i32", "buffer", "u32", "i32");
  const setns = linuxCall("setns", "i32", "i32");

  /** Of the synchronous calls; none of them overlaps with another. */
  const length = Buffer.alloc(4);
  const integer = Buffer.alloc(4);
  const pollfd = Buffer.alloc(8);

  const inProgress = errnoNumber("EINPROGRESS", platform) as number;

  function checked(result: number, name: string, target: string): number {
    if (result < 0) throw errnoError(-result, name, target);
    return result;
  }

  /** For calls that are not hot. */
  function uninterrupted(fn: NativeFunction<number>, ...args: NativeArgument[]): number {
    for (;;) {
      const result = fn(...args);
      if (result !== -EINTR) return result;
    }
  }

  function addressCall(fn: NativeFunction<number>, name: string, fd: number, address: Uint8Array): number {
    length.writeUInt32LE(address.length, 0);
    checked(uninterrupted(fn, fd, address, length), name, `fd ${fd}`);
    return length.readUInt32LE(0);
  }

  function getOption(fd: number, level: number, option: number, value: Uint8Array): number {
    length.writeUInt32LE(value.length, 0);
    const result = uninterrupted(getsockopt, fd, level, option, value, length);
    checked(result, "getsockopt", `fd ${fd}, level ${level}, option ${option}`);
    return length.readUInt32LE(0);
  }

  /** The descriptor is gone whatever close says, so EINTR is no failure, and trying again would be one. */
  function closed(result: number, fd: number): void {
    if (result !== -EINTR && result !== -inProgress) checked(result, "close", `fd ${fd}`);
  }

  return {
    socket: (domain, type, protocol) =>
      checked(
        socket(domain, type | numbers.socketFlags, protocol),
        "socket",
        `domain ${domain}, type ${type}, protocol ${protocol}`,
      ),
    bind(fd, address) {
      checked(bind(fd, address, address.length), "bind", `fd ${fd}`);
    },
    connect(fd, address) {
      const result = connect(fd, address, address.length);
      // After EINTR the connection goes on by itself.
      if (result === -inProgress || result === -EINTR) return false;
      checked(result, "connect", `fd ${fd}`);
      return true;
    },
    listen(fd, backlog) {
      checked(listen(fd, backlog), "listen", `fd ${fd}`);
    },
    accept: (fd) => uninterrupted(accept4, fd, 0, 0, numbers.socketFlags),
    getsockname: (fd, address) => addressCall(getsockname, "getsockname", fd, address),
    getpeername: (fd, address) => addressCall(getpeername, "getpeername", fd, address),
    setsockopt(fd, level, option, value) {
      if (typeof value === "number") integer.writeInt32LE(value | 0, 0);
      const bytes = typeof value === "number" ? integer : value;
      const result = setsockopt(fd, level, option, bytes, bytes.length);
      checked(result, "setsockopt", `fd ${fd}, level ${level}, option ${option}`);
    },
    getsockopt: getOption,
    getsockoptInt(fd, level, option) {
      integer.fill(0);
      getOption(fd, level, option, integer);
      return integer.readInt32LE(0);
    },
    send(fd, bytes, flags) {
      for (;;) {
        const result = send(fd, bytes, bytes.length, flags);
        if (result !== -EINTR) return result;
      }
    },
    async sendAsync(fd, bytes, flags) {
      for (;;) {
        const result = await send.async(fd, bytes, bytes.length, flags);
        if (result !== -EINTR) return result;
      }
    },
    sendto(fd, bytes, flags, address) {
      for (;;) {
        const result = sendto(fd, bytes, bytes.length, flags, address, address.length);
        if (result !== -EINTR) return result;
      }
    },
    recv(fd, bytes, flags) {
      for (;;) {
        const result = recv(fd, bytes, bytes.length, flags);
        if (result !== -EINTR) return result;
      }
    },
    recvfrom(fd, bytes, flags, address) {
      for (;;) {
        if (address) length.writeUInt32LE(address.length, 0);
        const result = recvfrom(fd, bytes, bytes.length, flags, address ?? null, address ? length : null);
        if (result !== -EINTR) return result;
      }
    },
    read(fd, bytes) {
      for (;;) {
        const result = read(fd, bytes, bytes.length);
        if (result !== -EINTR) return result;
      }
    },
    write(fd, bytes) {
      for (;;) {
        const result = write(fd, bytes, bytes.length);
        if (result !== -EINTR) return result;
      }
    },
    recvmmsg(fd, messages, count, flags) {
      for (;;) {
        const result = recvmmsg(fd, messages, count, flags, 0);
        if (result !== -EINTR) return result;
      }
    },
    sendmmsg(fd, messages, count, flags) {
      for (;;) {
        const result = sendmmsg(fd, messages, count, flags);
        if (result !== -EINTR) return result;
      }
    },
    close(fd) {
      closed(close(fd), fd);
    },
    async closeAsync(fd) {
      closed(await close.async(fd), fd);
    },
    fcntlDup: (fd) => checked(uninterrupted(fcntl, fd, numbers.dupCloexec, 0), "fcntl", `fd ${fd}`),
    fcntlGetFd: (fd) => checked(uninterrupted(fcntl, fd, F_GETFD, 0), "fcntl", `fd ${fd}`),
    open: (path, flags) => checked(uninterrupted(open, path, flags | numbers.openCloexec, 0), "open", path),
    ioctl(fd, request, argument) {
      const fn = typeof argument === "number" ? ioctlInteger : ioctl;
      return checked(uninterrupted(fn, fd, request, argument), "ioctl", describeIoctl(fd, request));
    },
    async ioctlAsync(fd, request, argument) {
      for (;;) {
        const result = await ioctl.async(fd, request, argument);
        if (result !== -EINTR) return checked(result, "ioctl", describeIoctl(fd, request));
      }
    },
    setns(fd, type) {
      checked(setns(fd, type), "setns", `fd ${fd}`);
    },
    ifNameToIndex(name) {
      const index = nameToIndex(name);
      if (index === 0) throw errnoError(ffi.errno(), "if_nametoindex", name);
      return index;
    },
    poll(fd, events, timeout = 0) {
      pollfd.writeInt32LE(fd, 0);
      pollfd.writeUInt16LE(events, 4);
      pollfd.writeUInt16LE(0, 6);
      checked(uninterrupted(poll, pollfd, 1, timeout), "poll", `fd ${fd}`);
      return pollfd.readUInt16LE(6);
    },
  };
}

function lacking(platform: string, name: string): () => never {
  return () => {
    throw new DcoError("unsupported", `${platform} has no ${name}`);
  };
}

function describeIoctl(fd: number, request: number): string {
  return `fd ${fd}, request 0x${request.toString(16)}`;
}
