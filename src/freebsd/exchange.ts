/**
 * Requests to `if_ovpn`: name-value lists through SIOCSDRVSPEC and SIOCGDRVSPEC.
 */
import { DcoError } from "../core/errors.ts";
import { ifdrv, readDrvLength, SIOCGDRVSPEC, SIOCSDRVSPEC } from "./ioctl.ts";
import { GET, type GetCommand, SET, type SetCommand } from "./messages.ts";
import { decodeList } from "./nvlist/decode.ts";
import { describeList, redactedHex } from "./nvlist/describe.ts";
import { encodeList } from "./nvlist/encode.ts";
import type { NvList } from "./nvlist/list.ts";
import type { Stack } from "./stack.ts";

/** Room for every answer but the statistics of peers. GET_PKT loses what does not fit. */
const REPLY_BYTES = 4096;

/** Statistics of some 200,000 peers. */
const MOST_REPLY_BYTES = 64 << 20;

const EMPTY = encodeList([]);

/** The requests of one interface. Synchronous; failures are by errno, with effect `none`. */
export class OvpnExchange {
  readonly #stack: Pick<Stack, "ioctl" | "ioctlAsync" | "system">;
  readonly #name: string;
  /** For the statistics of peers, which grow with their number. */
  #statsBytes = REPLY_BYTES;

  constructor(stack: Pick<Stack, "ioctl" | "ioctlAsync" | "system">, name: string) {
    this.#stack = stack;
    this.#name = name;
  }

  /** What is in the list is copied once, and that copy is zeroed. */
  set(command: SetCommand, list?: NvList): void {
    const bytes = list && encodeList(list);
    try {
      this.#trace("request", command, list ?? [], bytes ?? EMPTY);
      this.#call(SIOCSDRVSPEC, SET[command], command, bytes);
    } finally {
      bytes?.fill(0);
    }
  }

  get(command: GetCommand): NvList {
    for (;;) {
      const room = this.#room(command);
      try {
        return this.#read(command, room, this.#call(SIOCGDRVSPEC, GET[command], command, room));
      } catch (error) {
        this.#grow(command, room, error);
      }
    }
  }

  /** As `get`, off the event loop. */
  async getAsync(command: GetCommand): Promise<NvList> {
    for (;;) {
      const room = this.#room(command);
      const argument = this.#argument(GET[command], room);
      try {
        await this.#stack.ioctlAsync(SIOCGDRVSPEC, argument);
        return this.#read(command, room, readDrvLength(argument));
      } catch (error) {
        this.#grow(command, room, DcoError.is(error) && error.native ? named(error, command) : error);
      }
    }
  }

  #room(command: GetCommand): Buffer {
    return Buffer.alloc(command === "GET_PEER_STATS" ? this.#statsBytes : REPLY_BYTES);
  }

  /** Makes more room where that was the problem; throws any other. */
  #grow(command: GetCommand, room: Buffer, error: unknown): void {
    const more = command === "GET_PEER_STATS" && room.length < MOST_REPLY_BYTES;
    if (!more || !isErrno(error, "ENOSPC")) throw error;
    this.#statsBytes = Math.max(this.#statsBytes, 2 * room.length);
  }

  #read(command: GetCommand, room: Buffer, length: number): NvList {
    if (length > room.length) {
      throw new DcoError("protocol", `the answer to ${command} has ${length} of ${room.length} bytes`);
    }
    const bytes = room.subarray(0, length);
    const list = decodeList(bytes);
    this.#trace("reply", command, list, bytes);
    return list;
  }

  /** Good while the bytes are referenced. */
  #argument(number: number, bytes: Buffer | undefined): Buffer {
    const address = bytes ? this.#stack.system.ffi.addressOf(bytes) : 0n;
    return ifdrv(this.#name, number, bytes?.length ?? 0, address);
  }

  /** @returns the length that the kernel says */
  #call(request: number, number: number, command: string, bytes: Buffer | undefined): number {
    const argument = this.#argument(number, bytes);
    try {
      this.#stack.ioctl(request, argument);
    } catch (error) {
      throw DcoError.is(error) ? named(error, command) : error;
    }
    return readDrvLength(argument);
  }

  #trace(direction: "request" | "reply", command: string, list: NvList, bytes: Uint8Array): void {
    const { tracer } = this.#stack.system;
    if (!tracer.wanted) return;
    const message = { interface: this.#name, command, list: describeList(list) };
    tracer.write({ backend: "freebsd", direction, message, hex: redactedHex(list, bytes) });
  }
}

/** Whether an error is the system's of this name. */
export function isErrno(error: unknown, ...names: string[]): boolean {
  return DcoError.is(error) && names.includes(error.native?.name ?? "");
}

function named(error: DcoError, command: string): DcoError {
  const { code, native } = error;
  return new DcoError(code, `OVPN_${command}: ${native?.name}`, { native, effect: "none", cause: error });
}
