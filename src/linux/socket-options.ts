/**
 * Where the packets of a socket go: its mark, by which rules choose a routing table, and the interface it is bound to.
 */
import type { Extras } from "../core/backend.ts";
import { DcoError, invalid } from "../core/errors.ts";
import type { Posix } from "../ffi/posix.ts";
import { SOL_SOCKET } from "../sockets/socket-address.ts";

const SO_BINDTODEVICE = 25;
const SO_MARK = 36;
const UINT32_MAX = 0xffff_ffff;

/** Options of `openTransport` and `listen` on Linux. */
export interface SocketRouting {
  /**
   * Firewall mark (SO_MARK) of everything that the transport sends, 1 to 2^32-1: for rules such as
   * `ip rule add fwmark 7 lookup 100`. Needs CAP_NET_ADMIN or CAP_NET_RAW.
   */
  readonly mark?: number;
  /**
   * Name of the interface that the transport is bound to (SO_BINDTODEVICE), in the transport's namespace. Only what
   * comes in by it is received, and control packets leave by it. So do data packets over TCP; over UDP the kernel
   * sends them by their route (capability `bindToDevice`).
   */
  readonly device?: string;
}

/** What is wrong with a mark, or undefined. */
export function markProblem(value: unknown): string | undefined {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= UINT32_MAX) return undefined;
  return `must be an integer from 1 to ${UINT32_MAX}`;
}

/** System calls whose IP sockets have these options from their beginning. */
export function withRouting(posix: Posix, extras: Extras): Posix {
  const { mark, device } = extras as SocketRouting;
  if (mark === undefined && device === undefined) return posix;
  return {
    ...posix,
    socket(domain, type, protocol) {
      const fd = posix.socket(domain, type, protocol);
      try {
        if (mark !== undefined) setMark(posix, fd, mark);
        if (device !== undefined) bindToDevice(posix, fd, device);
        return fd;
      } catch (error) {
        posix.close(fd);
        throw error;
      }
    },
  };
}

/** An adopted socket is as its owner has made it. */
export function refuseRouting(extras: Extras): void {
  for (const field of ["mark", "device"]) {
    if (extras[field] !== undefined) {
      throw invalid(field, "an adopted socket has its own", { effect: "none" });
    }
  }
}

function setMark(posix: Posix, fd: number, mark: number): void {
  try {
    posix.setsockopt(fd, SOL_SOCKET, SO_MARK, mark);
  } catch (error) {
    throw refusal(error, "mark", `${mark} cannot be set, which needs CAP_NET_ADMIN or CAP_NET_RAW`);
  }
}

function bindToDevice(posix: Posix, fd: number, device: string): void {
  try {
    posix.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${device}\0`));
  } catch (error) {
    if (DcoError.is(error) && error.native?.name === "ENODEV") {
      throw refusal(
        error,
        "device",
        `there is no interface ${device} in the transport's namespace`,
        "not-found",
      );
    }
    throw refusal(error, "device", `the socket cannot be bound to ${device}`);
  }
}

function refusal(error: unknown, field: string, problem: string, code?: DcoError["code"]): unknown {
  if (!DcoError.is(error)) return error;
  const { native } = error;
  return new DcoError(code ?? error.code, `${field}: ${problem} [${native?.name}]`, {
    field,
    native,
    effect: "none",
    cause: error,
  });
}
