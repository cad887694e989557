/**
 * TCP connections that the SDK did not make.
 */
import { fstatSync } from "node:fs";
import { parseIp } from "../../../src/core/ip.ts";
import type { Endpoint } from "../../../src/core/model.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix, type Posix } from "../../../src/ffi/posix.ts";
import { AF_INET, AF_INET6, packSockaddrBytes } from "../../../src/ffi/sockaddr.ts";
import { THIS_PROCESS } from "../../../src/ffi/types.ts";
import {
  boundTo,
  connectedTo,
  IPPROTO_TCP,
  SO_ERROR,
  SO_RCVBUF,
  SOCK_STREAM,
  SOL_SOCKET,
} from "../../../src/sockets/socket-address.ts";
import { inTime, pause } from "../expect.ts";
import type { ForeignListener, ForeignStream } from "../world.ts";
import { atPlace, type Place } from "./place.ts";

const EAGAIN = 11;
const POLLOUT = 4;
const SO_LINGER = 13;
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const TCP_NODELAY = 1;
/** struct linger: on, and no time to wait: what is closed is reset. */
const LINGER_0 = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

/** See `World.connectStream`. */
export async function connectForeign(site: Place, remote: Endpoint): Promise<ForeignStream> {
  const posix = createPosix(loadFfi());
  const address = parseIp(remote.address) as Uint8Array;
  const fd = socketAt(posix, site, address.length);
  try {
    // Of the addresses of this namespace it has one.
    if (site.namespace === undefined && address.length === 4)
      posix.bind(fd, packSockaddrBytes(parseIp(site.ipv4) as Uint8Array, 0));
    posix.connect(fd, packSockaddrBytes(address, remote.port, remote.scopeId));
    while ((posix.poll(fd, POLLOUT) & POLLOUT) === 0) await pause(1);
    const errno = posix.getsockoptInt(fd, SOL_SOCKET, SO_ERROR);
    if (errno !== 0) throw new Error(`connecting to ${remote.address}: errno ${errno}`);
    return new Stream(posix, fd);
  } catch (error) {
    posix.close(fd);
    throw error;
  }
}

/** See `World.acceptStreams`. */
export function listenForeign(site: Place, family: 4 | 6): ForeignListener {
  const posix = createPosix(loadFfi());
  const address = parseIp(family === 6 ? site.ipv6 : site.ipv4) as Uint8Array;
  const fd = socketAt(posix, site, address.length);
  posix.bind(fd, packSockaddrBytes(address, 0));
  posix.listen(fd, 16);
  let closed = false;
  return {
    local: boundTo(posix, fd) as Endpoint,
    async accept() {
      for (;;) {
        const accepted = posix.accept(fd);
        if (accepted >= 0) return new Stream(posix, accepted);
        if (accepted !== -EAGAIN) throw new Error(`accept: ${accepted}`);
        await pause(1);
      }
    },
    async close() {
      if (!closed) posix.close(fd);
      closed = true;
    },
  };
}

function socketAt(posix: Posix, site: Place, addressLength: number): number {
  const domain = addressLength === 16 ? AF_INET6.linux : AF_INET;
  return atPlace(posix, site, () => posix.socket(domain, SOCK_STREAM, 0));
}

function shutdown(fd: number, how: number): void {
  const result = loadFfi().library([THIS_PROCESS]).func("shutdown", "i32", ["i32", "i32"], { errno: true })(
    fd,
    how,
  );
  if (result !== 0) throw new Error(`shutdown: ${result}`);
}

class Stream implements ForeignStream {
  readonly fd: number;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly #posix: Posix;
  readonly #inode: bigint;
  #released = false;

  constructor(posix: Posix, fd: number) {
    this.#posix = posix;
    this.fd = fd;
    this.local = boundTo(posix, fd) as Endpoint;
    this.remote = connectedTo(posix, fd) as Endpoint;
    this.#inode = fstatSync(fd, { bigint: true }).ino;
    // Each write is a segment of its own, as far as the network lets it.
    posix.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      const sent = this.#posix.send(this.fd, rest, MSG_NOSIGNAL);
      if (sent > 0) rest = rest.subarray(sent);
      else if (sent === -EAGAIN) await pause(1);
      else throw new Error(`send: ${sent}`);
    }
  }

  async read(size: number): Promise<Buffer> {
    const bytes = Buffer.alloc(size);
    const read = async () => {
      for (let got = 0; got < size; ) {
        const came = this.#posix.recv(this.fd, bytes.subarray(got), 0);
        if (came > 0) got += came;
        else if (came === -EAGAIN) await pause(1);
        else throw new Error(`the stream ended with ${came} after ${got} of ${size} bytes`);
      }
    };
    await inTime(read(), `reading ${size} bytes of a stream`);
    return bytes;
  }

  async readToEnd(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    const read = async () => {
      for (;;) {
        const bytes = Buffer.alloc(65_536);
        const came = this.#posix.recv(this.fd, bytes, 0);
        if (came > 0) chunks.push(bytes.subarray(0, came));
        else if (came === -EAGAIN) await pause(1);
        else return;
      }
    };
    await inTime(read(), "the end of a stream");
    return Buffer.concat(chunks);
  }

  end(): void {
    shutdown(this.fd, SHUT_WR);
  }

  async reset(): Promise<void> {
    this.#posix.setsockopt(this.fd, SOL_SOCKET, SO_LINGER, LINGER_0);
    await this.close();
  }

  setReceiveBuffer(bytes: number): void {
    this.#posix.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, bytes);
  }

  release(): number {
    this.#released = true;
    return this.fd;
  }

  isOpen(): boolean {
    try {
      return fstatSync(this.fd, { bigint: true }).ino === this.#inode;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    // The number may be another's by now, if somebody who took the stream closed it.
    if (!this.#released && this.isOpen()) await this.#posix.closeAsync(this.fd);
  }
}
