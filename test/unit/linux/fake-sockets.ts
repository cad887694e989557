/**
 * System calls that a test answers, for transports whose other end misbehaves.
 */
import type { FdWatcher, Ffi } from "../../../src/ffi/index.ts";
import type { Posix } from "../../../src/ffi/posix.ts";
import { packSockaddr } from "../../../src/ffi/sockaddr.ts";
import { AF_INET, SO_DOMAIN } from "../../../src/sockets/socket-address.ts";

export const EAGAIN = 11;

/** A connected TCP socket, except as told. */
export function fakePosix(answers: Partial<Posix> = {}): Posix {
  const fill = (address: Uint8Array, port: number) => {
    const packed = packSockaddr({ address: "127.0.0.1", port });
    address.set(packed);
    return packed.length;
  };
  const posix: Partial<Posix> = {
    getsockoptInt: (_fd, _level, option) => (option === SO_DOMAIN ? AF_INET : 0),
    getsockname: (_fd, address) => fill(address, 1194),
    getpeername: (_fd, address) => fill(address, 40_000),
    setsockopt: () => {},
    send: () => -EAGAIN,
    recv: () => -EAGAIN,
    poll: () => 0,
    ioctl: () => 0,
    close: () => {},
    closeAsync: async () => {},
    ...answers,
  };
  return posix as Posix;
}

/** An event loop in which a test says what is readable. */
export function fakeFfi(): { readonly ffi: Ffi; readonly watched: (() => void)[]; fail: Error | undefined } {
  const watched: (() => void)[] = [];
  const state: { ffi: Ffi; watched: (() => void)[]; fail: Error | undefined } = {
    ffi: {
      watchReadable(_fd: number, onReadable: () => void): FdWatcher {
        if (state.fail) throw state.fail;
        watched.push(onReadable);
        return { close: () => watched.splice(watched.indexOf(onReadable), 1) };
      },
    } as Partial<Ffi> as Ffi,
    watched,
    fail: undefined,
  };
  return state;
}
