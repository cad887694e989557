/**
 * Multicast messages of the kernel: a seam with two implementations, and the overflow that both must notice.
 *
 * Both sockets have NETLINK_NO_ENOBUFS: without it an overflow is an error of `recv`, which aborts the process
 * inside the netlink package's addon. What was lost is then in the socket's own drop counter.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { DcoError } from "../core/errors.ts";
import { closeAtExit, forgetAtExit } from "../ffi/at-exit.ts";
import type { FdWatcher, Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { requireNative } from "../ffi/require.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SO_PROTOCOL = 38;
const SO_MEMINFO = 55;
/** Word of SO_MEMINFO that counts drops (SK_MEMINFO_DROPS). */
const MEMINFO_DROPS = 8;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_NO_ENOBUFS = 5;
const EAGAIN = 11;

/**
 * Bytes of buffer that an event socket asks for by default. A notification takes about 960 of them (measured): room
 * for some 8,700.
 */
export const EVENT_BUFFER_BYTES = 8 << 20;

/** Largest datagram read; notifications of both families are below 4 KiB. */
const DATAGRAM_BYTES = 65536;

/** Datagrams read before the event loop gets a turn. */
const BATCH = 256;

/** What an event socket joins and whom it tells. */
export interface EventSocketOptions {
  readonly protocol: number;
  readonly group: number;
  /** Bytes of buffer to ask for. */
  readonly bufferBytes: number;
  /** One datagram from the kernel; valid only during the call. */
  readonly onDatagram: (datagram: Uint8Array) => void;
  /** The kernel had no room; how many messages were lost since the last time. */
  readonly onOverflow: (lost: number) => void;
}

/** An open event socket. It does not keep the process alive. */
export interface EventSocket {
  readonly transport: "netlink" | "ffi";
  close(): void;
}

/** Which implementation to use: `auto` takes the netlink package where it loads. */
export type EventTransport = "auto" | "netlink" | "ffi";

/** Opens an event socket in the calling thread's network namespace. */
export function openEventSocket(
  ffi: Ffi,
  posix: Posix,
  options: EventSocketOptions,
  transport: EventTransport = "auto",
): EventSocket {
  const Raw = transport === "ffi" ? undefined : loadNetlinkPackage();
  if (Raw) {
    try {
      return openByPackage(posix, options, Raw);
    } catch (error) {
      // The package's errors have no number; the other way works, or says what is wrong.
      if (transport === "netlink") throw error;
    }
  } else if (transport === "netlink") {
    throw new DcoError("unavailable", "the npm package netlink is not installed or does not load here");
  }
  return openByFfi(ffi, posix, options);
}

function openByFfi(ffi: Ffi, posix: Posix, options: EventSocketOptions): EventSocket {
  const fd = posix.socket(AF_NETLINK, SOCK_RAW, options.protocol);
  try {
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    posix.bind(fd, address);
    prepare(posix, fd, options.bufferBytes);
    posix.setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, options.group);
  } catch (error) {
    posix.close(fd);
    throw error;
  }
  const drops = new DropCounter(posix, fd);
  const buffer = Buffer.alloc(DATAGRAM_BYTES);
  const sender = Buffer.alloc(12);
  let closed = false;
  const drain = () => {
    for (let n = 0; n < BATCH && !closed; n++) {
      const size = posix.recvfrom(fd, buffer, 0, sender);
      if (size === -EAGAIN) break;
      // Any program may send to a netlink socket; the kernel's port id is 0.
      if (size > 0 && sender.readUInt32LE(4) === 0) options.onDatagram(buffer.subarray(0, size));
    }
    const lost = closed ? 0 : drops.sinceLast();
    if (lost > 0) options.onOverflow(lost);
  };
  let watcher: FdWatcher;
  try {
    watcher = ffi.watchReadable(fd, drain, { ref: false });
  } catch (error) {
    posix.close(fd);
    throw error;
  }
  return {
    transport: "ffi",
    close: () => {
      if (closed) return;
      closed = true;
      watcher.close();
      posix.close(fd);
    },
  };
}

/** What is used of the netlink package's raw socket. */
interface RawSocket {
  on(event: "message", listener: (message: Buffer, info: { port: number }) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  addMembership(group: number): void;
  address(): { port: number };
  unref(): void;
  close(): void;
}

type RawSocketClass = new (
  protocol: number,
  options?: { messagePeeking?: boolean; msgBufferSize?: number },
) => RawSocket;

function openByPackage(posix: Posix, options: EventSocketOptions, Raw: RawSocketClass): EventSocket {
  const socket = new Raw(options.protocol, { messagePeeking: false, msgBufferSize: DATAGRAM_BYTES });
  try {
    const fd = findSocket(posix, options.protocol, socket.address().port);
    prepare(posix, fd, options.bufferBytes);
    const drops = new DropCounter(posix, fd);
    let closed = false;
    let scheduled = false;
    /** An error thrown into the addon would abort the process; thrown from here it can be caught. */
    const deliver = (message: Buffer) => {
      try {
        options.onDatagram(message);
      } catch (error) {
        process.nextTick(() => {
          throw error;
        });
      }
    };
    const check = () => {
      scheduled = false;
      const lost = closed ? 0 : drops.sinceLast();
      if (lost > 0) options.onOverflow(lost);
    };
    socket.on("message", (message, info) => {
      if (closed) return;
      if (info.port === 0) deliver(message);
      if (scheduled) return;
      scheduled = true;
      setImmediate(check);
    });
    socket.on("error", () => {
      if (!closed) options.onOverflow(drops.sinceLast());
    });
    socket.addMembership(options.group);
    socket.unref();
    const opened: EventSocket = {
      transport: "netlink",
      close: () => {
        if (closed) return;
        closed = true;
        forgetAtExit(opened);
        socket.close();
      },
    };
    closeAtExit(opened);
    return opened;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function prepare(posix: Posix, fd: number, bytes: number): void {
  posix.setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1);
  try {
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes);
  } catch {
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, bytes);
  }
}

/** The kernel's count of messages that a socket had no room for. */
class DropCounter {
  readonly #posix: Posix;
  readonly #fd: number;
  readonly #words = Buffer.alloc(4 * (MEMINFO_DROPS + 1));
  #seen = 0;

  constructor(posix: Posix, fd: number) {
    this.#posix = posix;
    this.#fd = fd;
  }

  sinceLast(): number {
    this.#posix.getsockopt(this.#fd, SOL_SOCKET, SO_MEMINFO, this.#words);
    const drops = this.#words.readUInt32LE(4 * MEMINFO_DROPS);
    const lost = (drops - this.#seen) >>> 0;
    this.#seen = drops;
    return lost;
  }
}

/** The descriptor of the netlink socket that is bound to a port id: the package does not tell it. */
function findSocket(posix: Posix, protocol: number, port: number): number {
  const word = Buffer.alloc(4);
  const address = Buffer.alloc(128);
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    try {
      if (!readlinkSync(`/proc/self/fd/${name}`).startsWith("socket:")) continue;
      posix.getsockname(fd, address);
      if (address.readUInt16LE(0) !== AF_NETLINK || address.readUInt32LE(4) !== port) continue;
      posix.getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, word);
    } catch {
      // Closed meanwhile, such as the descriptor that readdir itself had.
      continue;
    }
    if (word.readInt32LE(0) === protocol) return fd;
  }
  throw new DcoError("system", "the netlink package's socket was not found among this process's descriptors");
}

function loadNetlinkPackage(): RawSocketClass | undefined {
  try {
    return (requireNative("netlink") as { RawNetlinkSocket?: RawSocketClass }).RawNetlinkSocket;
  } catch {
    return undefined;
  }
}
