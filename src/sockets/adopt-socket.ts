/**
 * Sockets of the caller's.
 */
import { DcoError } from "../core/errors.ts";
import type { TransportProtocol } from "../core/model.ts";
import type { Posix } from "../ffi/posix.ts";
import {
  AF_INET,
  AF_INET6,
  boundTo,
  connectedTo,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SO_DOMAIN,
  SO_PROTOCOL,
  SO_TYPE,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from "./socket-address.ts";

const FD_CLOEXEC = 1;

const KINDS = {
  udp: { type: SOCK_DGRAM, protocol: IPPROTO_UDP, name: "a UDP socket" },
  tcp: { type: SOCK_STREAM, protocol: IPPROTO_TCP, name: "a TCP socket" },
} as const;

/** Takes over, or duplicates, a socket. Errors: `socket`, with what is wrong with it. */
export function adoptSocket(
  posix: Posix,
  socket: { readonly fd: number; readonly ownership: "keep" | "take" },
  kind: TransportProtocol,
): number {
  const { fd, ownership } = socket;
  const refuse = (problem: string, cause?: unknown) =>
    new DcoError("socket", `adopt.fd: descriptor ${fd} ${problem}`, {
      field: "adopt.fd",
      effect: "none",
      cause,
      ...(DcoError.is(cause) && { native: cause.native }),
    });
  const ask = <T>(question: () => T, problem: string): T => {
    try {
      return question();
    } catch (error) {
      throw refuse(problem, error);
    }
  };
  if ((ask(() => posix.fcntlGetFd(fd), "is not open") & FD_CLOEXEC) === 0) {
    throw refuse("must have close-on-exec set, or a child process would keep its peers alive");
  }
  const { type, protocol, name } = KINDS[kind];
  const option = (number: number) => posix.getsockoptInt(fd, SOL_SOCKET, number);
  const domain = ask(() => option(SO_DOMAIN), `is not a socket, but should be ${name}`);
  const fits = domain === AF_INET || domain === AF_INET6;
  if (!fits || option(SO_TYPE) !== type || option(SO_PROTOCOL) !== protocol) throw refuse(`is not ${name}`);
  if (kind === "tcp") ask(() => connectedTo(posix, fd), "is not connected");
  else if (!boundTo(posix, fd)?.port) throw refuse("is not bound");
  return ownership === "take" ? fd : posix.fcntlDup(fd);
}
