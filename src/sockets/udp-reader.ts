/**
 * Reading a UDP socket in the event loop: by the FFI's watcher; where that has none by Node, or under Bun, which does
 * not take descriptors, by looking again and again.
 */
import { createSocket } from "node:dgram";
import { formatIp, parseIp, unmapIpv4 } from "../core/ip.ts";
import type { Endpoint } from "../core/model.ts";
import { errnoError, errnoNumber } from "../ffi/errno.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { SOCKADDR_BYTES, unpackSockaddr } from "../ffi/sockaddr.ts";
import { watch } from "./watch.ts";

const EAGAIN = errnoNumber("EAGAIN") as number;
const EBADF = 9;

/** The largest datagram. */
const DATAGRAM_BYTES = 65536;

/** Datagrams read before the event loop gets a turn. */
const BATCH = 64;

/** What the reader hands on. */
export interface UdpHandlers {
  onPacket(data: Uint8Array, from: Endpoint): void;
  /** The socket has been woken up, and has been read. */
  onWake?(): void;
  onEnd(error: Error): void;
}

/** Stops reading; the descriptor that was given stays open. */
export type StopReading = () => Promise<void>;

/** Starts reading. It keeps the process alive. */
export function readUdp(
  ffi: Ffi,
  posix: Posix,
  fd: number,
  family: 4 | 6,
  handlers: UdpHandlers,
): StopReading {
  const watched = ffi.features.fdWatcher || "bun" in process.versions;
  return watched ? byCalls(ffi, posix, fd, handlers) : byNode(posix, fd, family, handlers);
}

function byCalls(ffi: Ffi, posix: Posix, fd: number, handlers: UdpHandlers): StopReading {
  const buffer = Buffer.alloc(DATAGRAM_BYTES);
  const address = Buffer.alloc(SOCKADDR_BYTES);
  let stopped = false;
  const readBatch = () => {
    for (let n = 0; n < BATCH && !stopped; n++) {
      const size = posix.recvfrom(fd, buffer, 0, address);
      if (size === -EAGAIN) return;
      if (size === -EBADF) {
        watcher.close();
        handlers.onEnd(errnoError(EBADF, "recvfrom", `fd ${fd}`));
        return;
      }
      // Other errors are about a packet that was sent (ICMP), and reading takes them away.
      if (size < 0) continue;
      const from = unpackSockaddr(address);
      if (from) handlers.onPacket(Uint8Array.from(buffer.subarray(0, size)), senderOf(from));
    }
  };
  const read = () => {
    readBatch();
    if (!stopped) handlers.onWake?.();
  };
  const watcher = watch(ffi, fd, read, { onError: (error) => handlers.onEnd(error) });
  return async () => {
    stopped = true;
    watcher.close();
  };
}

/** Node loses packets of link-local senders whose interface it cannot name: those of other namespaces. */
function byNode(posix: Posix, fd: number, family: 4 | 6, handlers: UdpHandlers): StopReading {
  const socket = createSocket({ type: family === 6 ? "udp6" : "udp4" });
  let stopped = false;
  socket.on("message", (data, { address, port }) => {
    const [text, zone] = address.split("%") as [string, string | undefined];
    const scopeId = zone === undefined ? 0 : Number(zone) || posix.ifNameToIndex(zone);
    handlers.onPacket(data, senderOf({ address: text, port, scopeId }));
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    if (!stopped && error.syscall !== "uv_if_indextoiid") handlers.onEnd(error);
  });
  const copy = posix.fcntlDup(fd);
  try {
    socket.bind({ fd: copy, exclusive: true });
  } catch (error) {
    socket.close();
    posix.close(copy);
    throw error;
  }
  return () => {
    stopped = true;
    return new Promise((resolve) => socket.close(() => resolve()));
  };
}

/** IPv4 in an IPv6 socket is mapped. */
function senderOf({
  address,
  port,
  scopeId = 0,
}: {
  address: string;
  port: number;
  scopeId?: number | undefined;
}): Endpoint {
  const bytes = parseIp(address);
  const text = bytes ? formatIp(unmapIpv4(bytes)) : address;
  return scopeId === 0 ? { address: text, port } : { address: text, port, scopeId };
}
