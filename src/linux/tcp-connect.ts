/**
 * TCP connections: made, taken over, and waited for.
 */
import type {
  BackendListener,
  BackendTransport,
  IpEndpoint,
  ListenRequest,
  OpenTransportRequest,
} from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { throwIfAborted } from "../core/lifetime.ts";
import type { Endpoint } from "../core/model.ts";
import { errnoError } from "../ffi/errno.ts";
import type { FdWatcher, Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { connectionOf } from "../sockets/adopt-node-socket.ts";
import { adoptSocket } from "../sockets/adopt-socket.ts";
import {
  AF_INET,
  AF_INET6,
  bindTo,
  boundTo,
  endpointText,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  SO_ERROR,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SOCK_STREAM,
  SOL_SOCKET,
  socketAddress,
} from "../sockets/socket-address.ts";
import type { ModuleCodec } from "./codec.ts";
import type { NamespaceContext } from "./context.ts";
import { MAX_FRAME, TcpTransport } from "./tcp-transport.ts";

const SO_REUSEADDR = 2;
const TCP_NODELAY = 1;
const POLLOUT = 0x4;
const EAGAIN = 11;

/** Of a connection that is gone before it is taken (accept(2), "Error handling"): the next may be there. */
const LOST_CONNECTION = new Set([
  71, // EPROTO
  64, // ENONET
  92, // ENOPROTOOPT
  100, // ENETDOWN
  101, // ENETUNREACH
  103, // ECONNABORTED
  112, // EHOSTDOWN
  113, // EHOSTUNREACH
]);

/** Out of memory or descriptors: the connections wait in the backlog. */
const OUT_OF = new Set([
  12, // ENOMEM
  23, // ENFILE
  24, // EMFILE
  105, // ENOBUFS
]);

/** How long a listener that is out of something waits. */
const PAUSE_MS = 1000;

/** Connections taken before the event loop gets a turn. */
const BATCH = 64;

/** How often a connection under way is looked at; the kernel's own time limit ends it (about two minutes). */
const CONNECT_POLL_MS = [1, 2, 5, 10, 20, 50];

/** Connects, or takes over a connected socket. Errors: `socket` (refused, unreachable), `timeout`, `busy`. */
export async function openTcpTransport(
  ffi: Ffi,
  posix: Posix,
  context: NamespaceContext,
  request: OpenTransportRequest,
  sockets: ModuleCodec["sockets"],
  signal: AbortSignal | undefined,
): Promise<TcpTransport> {
  const { adopt, adoptNode, head } = request;
  const node = adoptNode && connectionOf(posix, adoptNode);
  const fd =
    node?.fd ?? (adopt ? adoptSocket(posix, adopt, "tcp") : await connect(posix, context, request, signal));
  try {
    posix.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (adopt || node) makeReadable(posix, fd);
    const transport = new TcpTransport(ffi, posix, fd, head, adopt?.ownership === "take", sockets);
    // Last, because a socket whose adoption fails stays as it was.
    if (node) transport.hold(node.detach());
    return transport;
  } catch (error) {
    // A socket that was to be taken stays the caller's.
    if (adopt?.ownership !== "take") posix.close(fd);
    throw error;
  }
}

/**
 * Undoes what somebody may have set: the kernel refuses frames that are longer than the receive buffer, and nothing
 * under the low water mark would be seen.
 */
function makeReadable(posix: Posix, fd: number): void {
  posix.setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
  if (posix.getsockoptInt(fd, SOL_SOCKET, SO_RCVBUF) >= MAX_FRAME) return;
  posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, MAX_FRAME);
}

async function connect(
  posix: Posix,
  context: NamespaceContext,
  request: OpenTransportRequest,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { local, remote } = request;
  if (remote === undefined) throw new DcoError("invalid", "remote: TCP needs one", { field: "remote" });
  const { family } = remote;
  const fd = context.run(() => posix.socket(family === 6 ? AF_INET6 : AF_INET, SOCK_STREAM, IPPROTO_TCP));
  try {
    if (local) {
      posix.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      bindTo(posix, fd, local, family);
    }
    if (begin(posix, fd, request)) return fd;
    for (let looks = 0; (posix.poll(fd, POLLOUT) & POLLOUT) === 0; looks++) {
      const wait = CONNECT_POLL_MS[Math.min(looks, CONNECT_POLL_MS.length - 1)];
      await new Promise((resolve) => setTimeout(resolve, wait));
      throwIfAborted(signal);
    }
    const errno = posix.getsockoptInt(fd, SOL_SOCKET, SO_ERROR);
    if (errno !== 0) throw connectError(errno, request);
    return fd;
  } catch (error) {
    posix.close(fd);
    throw error;
  }
}

/** @returns whether the connection is there already */
function begin(posix: Posix, fd: number, request: OpenTransportRequest): boolean {
  const { remote } = request;
  try {
    return posix.connect(fd, socketAddress(remote as IpEndpoint, (remote as IpEndpoint).family));
  } catch (error) {
    const number = DcoError.is(error) ? error.native?.number : undefined;
    throw number === undefined ? error : connectError(number, request);
  }
}

function connectError(errno: number, { local, remote }: OpenTransportRequest): DcoError {
  const { code, message, native } = errnoError(errno, "connect", `${remote?.text} port ${remote?.port}`);
  if (local === undefined || native?.name !== "EADDRNOTAVAIL") {
    return new DcoError(code, message, { native, effect: "none" });
  }
  // An address of another host is refused before, by bind.
  const problem = `local: ${endpointText(local)} has a connection to that remote already`;
  return new DcoError("busy", `${problem} [${native.name}]`, { native, field: "local", effect: "none" });
}

interface Handlers {
  onTransport(transport: BackendTransport): void;
  onEnd(error: Error | undefined): void;
}

/** Waits for connections. */
export class TcpListener implements BackendListener {
  readonly local: Endpoint;
  readonly #ffi: Ffi;
  readonly #posix: Posix;
  readonly #fd: number;
  readonly #sockets: ModuleCodec["sockets"];
  #handlers: Handlers | undefined;
  #watcher: FdWatcher | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    ffi: Ffi,
    posix: Posix,
    context: NamespaceContext,
    request: ListenRequest,
    sockets: ModuleCodec["sockets"],
  ) {
    this.#sockets = sockets;
    const { local, dualStack, backlog } = request;
    const { family } = local;
    this.#ffi = ffi;
    this.#posix = posix;
    this.#fd = context.run(() => posix.socket(family === 6 ? AF_INET6 : AF_INET, SOCK_STREAM, IPPROTO_TCP));
    try {
      posix.setsockopt(this.#fd, SOL_SOCKET, SO_REUSEADDR, 1);
      if (family === 6) posix.setsockopt(this.#fd, IPPROTO_IPV6, IPV6_V6ONLY, dualStack ? 0 : 1);
      bindTo(posix, this.#fd, local, family);
      posix.listen(this.#fd, backlog);
      this.local = boundTo(posix, this.#fd) as Endpoint;
    } catch (error) {
      posix.close(this.#fd);
      throw error;
    }
  }

  start(onTransport: (transport: BackendTransport) => void, onEnd: (error: Error | undefined) => void): void {
    this.#handlers = { onTransport, onEnd };
    this.#watch();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#watcher?.close();
    this.#posix.close(this.#fd);
  }

  #watch(): void {
    this.#watcher = this.#ffi.watchReadable(this.#fd, () => this.#accept(), {
      onError: (error) => this.#end(error),
    });
  }

  #accept(): void {
    for (let n = 0; n < BATCH && !this.#closed; n++) {
      const fd = this.#posix.accept(this.#fd);
      if (fd === -EAGAIN) return;
      if (LOST_CONNECTION.has(-fd)) continue;
      if (OUT_OF.has(-fd)) {
        this.#watcher?.close();
        this.#pause();
        return;
      }
      if (fd < 0) {
        this.#end(errnoError(-fd, "accept"));
        return;
      }
      const transport = this.#transport(fd);
      if (transport) this.#handlers?.onTransport(transport);
    }
  }

  #transport(fd: number): TcpTransport | undefined {
    try {
      this.#posix.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
      return new TcpTransport(this.#ffi, this.#posix, fd, undefined, false, this.#sockets);
    } catch {
      // It was reset before it was looked at.
      this.#posix.close(fd);
      return undefined;
    }
  }

  #pause(): void {
    this.#retry = setTimeout(() => {
      if (this.#closed) return;
      try {
        this.#watch();
      } catch {
        // Watching takes descriptors as well.
        this.#pause();
      }
    }, PAUSE_MS);
  }

  #end(error: Error): void {
    void this.close();
    this.#handlers?.onEnd(error);
  }
}
