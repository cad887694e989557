/**
 * Calls of the operating system, written down; and a system that answers as was written down, and takes no other calls.
 */

import { DcoError } from "../../src/core/errors.ts";
import { errnoError, errnoNumber } from "../../src/ffi/errno.ts";
import type { Posix } from "../../src/ffi/posix.ts";
import { AF_INET6 } from "../../src/sockets/socket-address.ts";

/** A call, with bytes in hexadecimal. Pointers in structures are zero. */
export interface RecordedCall {
  readonly call: "socket" | "bind" | "close" | "ioctl";
  /** The numbers of `socket`, the request of `ioctl`. */
  readonly numbers: readonly number[];
  /** The structure, before and after the call; `after` only if it was changed. */
  readonly argument?: string;
  readonly after?: string;
  /** What it points at; trailing zeros are left out. */
  readonly data?: string;
  readonly dataAfter?: string;
  /** A descriptor, or nothing. */
  readonly result?: number;
  /** Name of the errno. */
  readonly refused?: string;
}

/** What is written down of a session. */
export interface Recording {
  readonly kernel: string;
  readonly pid: number;
  /** When the process was started, as the kernel tells it. */
  readonly start: string;
  readonly calls: readonly RecordedCall[];
  readonly log: readonly string[];
}

/** The calls that sessions make. */
export type SessionPosix = Pick<Posix, "socket" | "bind" | "close" | "ioctl" | "ioctlAsync">;

/** Finds what structures point at: all that was asked the address of. */
export class Memory {
  readonly #bytes = new Map<bigint, Uint8Array>();
  readonly #addressOf: (bytes: Uint8Array) => bigint;

  constructor(addressOf: (bytes: Uint8Array) => bigint) {
    this.#addressOf = addressOf;
  }

  readonly addressOf = (bytes: Uint8Array): bigint => {
    const address = this.#addressOf(bytes);
    this.#bytes.set(address, bytes);
    return address;
  };

  /** A structure without its pointer, and what that points at. */
  follow(argument: Uint8Array): { masked: Buffer; data: Uint8Array | undefined } {
    const masked = Buffer.from(argument);
    for (let at = 0; at + 8 <= masked.length; at += 8) {
      const data = this.#bytes.get(masked.readBigUInt64LE(at));
      if (data === undefined) continue;
      masked.fill(0, at, at + 8);
      return { masked, data };
    }
    return { masked, data: undefined };
  }
}

const FREEBSD_AF_INET6 = 28;

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
function shortHex(bytes: Uint8Array): string {
  let length = bytes.length;
  while (length > 0 && bytes[length - 1] === 0) length--;
  return hex(bytes.subarray(0, length));
}

/** Makes calls and writes them down. */
export function recordCalls(posix: SessionPosix, memory: Memory, calls: RecordedCall[]): SessionPosix {
  const made = <T>(call: Omit<RecordedCall, "result" | "refused">, body: () => T): T => {
    try {
      const result = body();
      calls.push({ ...call, ...(typeof result === "number" && call.call === "socket" && { result }) });
      return result;
    } catch (error) {
      const refused = DcoError.is(error) ? error.native?.name : undefined;
      if (refused === undefined) throw error;
      calls.push({ ...call, refused });
      throw error;
    }
  };
  const ioctl = (fd: number, request: number, argument: Uint8Array | number): number => {
    const { masked, data } = memory.follow(argument as Uint8Array);
    const before = data && shortHex(data);
    const call = { argument: hex(masked), ...(before !== undefined && { data: before }) };
    const numbers = [request];
    try {
      const result = posix.ioctl(fd, request, argument);
      const after = hex(memory.follow(argument as Uint8Array).masked);
      const dataAfter = data && shortHex(data);
      calls.push({
        call: "ioctl",
        numbers,
        ...call,
        ...(after !== call.argument && { after }),
        ...(dataAfter !== undefined && dataAfter !== before && { dataAfter }),
      });
      return result;
    } catch (error) {
      const refused = DcoError.is(error) ? error.native?.name : undefined;
      if (refused === undefined) throw error;
      calls.push({ call: "ioctl", numbers, ...call, refused });
      throw error;
    }
  };
  return {
    socket: (...numbers) => made({ call: "socket", numbers }, () => posix.socket(...numbers)),
    bind: (fd, address) =>
      made({ call: "bind", numbers: [fd], argument: hex(address) }, () => posix.bind(fd, address)),
    close: (fd) => made({ call: "close", numbers: [fd] }, () => posix.close(fd)),
    ioctl,
    ioctlAsync: async (fd, request, argument) => ioctl(fd, request, argument),
  };
}

/** A system that has these calls to answer, in their order. Any other call is an error. */
export function replayCalls(
  calls: readonly RecordedCall[],
  memory: Memory,
): SessionPosix & { left(): number } {
  let next = 0;
  const answer = (made: RecordedCall): RecordedCall => {
    const place = next++;
    const { after: _, dataAfter: __, result: ___, refused, ...asked } = calls[place] ?? { call: "nothing" };
    const [wanted, got] = [JSON.stringify(asked), JSON.stringify(made)];
    if (wanted !== got) throw new Error(`call ${place} was ${wanted}, and is ${got}`);
    if (refused !== undefined)
      throw errnoError(errnoNumber(refused, "freebsd") as number, made.call, undefined, "freebsd");
    return calls[place] as RecordedCall;
  };
  const ioctl = (_: number, request: number, argument: Uint8Array | number): number => {
    const bytes = argument as Uint8Array;
    const { masked, data } = memory.follow(bytes);
    const asked = { call: "ioctl", numbers: [request], argument: hex(masked) } as const;
    const recorded = answer({ ...asked, ...(data && { data: shortHex(data) }) });
    if (recorded.dataAfter !== undefined) {
      data?.fill(0);
      data?.set(Buffer.from(recorded.dataAfter, "hex"));
    }
    if (recorded.after !== undefined) {
      // The pointer stays where it is.
      const pointers = Buffer.from(bytes);
      const after = Buffer.from(recorded.after, "hex");
      for (let at = 0; at < after.length; at++) {
        if (pointers[at] === masked[at]) bytes[at] = after[at] as number;
      }
    }
    return 0;
  };
  return {
    socket: (domain, ...others) => {
      // This system's number of it.
      const numbers = [domain === AF_INET6 ? FREEBSD_AF_INET6 : domain, ...others];
      return answer({ call: "socket", numbers }).result as number;
    },
    bind: (fd, address) => void answer({ call: "bind", numbers: [fd], argument: hex(address) }),
    close: (fd) => void answer({ call: "close", numbers: [fd] }),
    ioctl,
    ioctlAsync: async (fd, request, argument) => ioctl(fd, request, argument),
    left: () => calls.length - next,
  };
}
