/**
 * A recording of calls that answers as `if_ovpn` does, with just enough memory for it: lists come and go packed. It
 * proves that interface, exchange and codec fit together; what a kernel does is shown by the captured replies, and by
 * the conformance suite on one.
 */
import type { DcoError } from "../../../src/core/errors.ts";
import { type WireEntry, WireTracer } from "../../../src/core/trace.ts";
import { errnoError, errnoNumber } from "../../../src/ffi/errno.ts";
import {
  IFF_RUNNING,
  IFF_UP,
  SIOCGDRVSPEC,
  SIOCGIFFLAGS,
  SIOCGIFINDEX,
  SIOCSDRVSPEC,
  SIOCSIFFLAGS,
} from "../../../src/freebsd/ioctl.ts";
import { GET, SET } from "../../../src/freebsd/messages.ts";
import { decodeList } from "../../../src/freebsd/nvlist/decode.ts";
import { encodeList } from "../../../src/freebsd/nvlist/encode.ts";
import { type NvList, nvGet, nvNested, nvNumber } from "../../../src/freebsd/nvlist/list.ts";
import type { LinkListener, Stack } from "../../../src/freebsd/stack.ts";

/** The refusal of a FreeBSD kernel. */
export function refuse(name: string): DcoError {
  return errnoError(errnoNumber(name, "freebsd") as number, "ioctl", undefined, "freebsd");
}

const nameOf = (commands: Record<string, number>, number: bigint) =>
  Object.entries(commands).find(([, value]) => BigInt(value) === number)?.[0] ?? `${number}`;

/** Commands about peers and their keys. */
const IN_USE = /PEER|KEY/;

const inOut = (name: string, value: number) =>
  nvNested(name, [nvNumber("in", value), nvNumber("out", value + 1)]);

const counters = (packets: number, bytes: number) => [inOut("packets", packets), inOut("bytes", bytes)];

/** A notification as the kernel packs it. */
export function deletion(id: number, reason: number): NvList {
  return [
    nvNumber("peerid", id),
    nvNumber("notification", 0),
    nvNumber("del_reason", reason),
    ...counters(10, 1000),
  ];
}

export class FakeKernel {
  readonly log: [command: string, list: NvList][] = [];
  readonly ids = new Set<number>();
  readonly queue: NvList[] = [];
  /** The bytes of every request, as they are after the call. */
  readonly requests: Uint8Array[] = [];
  readonly traced: WireEntry[] = [];
  /** Refusals by command, once each. */
  readonly refusals = new Map<string, string>();
  /** Bytes that were last offered for an answer, by command. */
  readonly rooms = new Map<string, number>();
  /** Refusals of requests about one peer. */
  refuseAt: (command: string, id: number) => string | undefined = () => undefined;
  /** Older kernels say that it went well. */
  addsNothing = false;
  flags = 0;
  index = 3;
  #listener: LinkListener = () => {};
  readonly #memory: Uint8Array[] = [];

  /** The part of a stack that interfaces use. */
  readonly stack = {
    ioctl: (request: number, argument: Buffer) => this.#ioctl(request, argument),
    ioctlAsync: async (request: number, argument: Buffer) => this.#ioctl(request, argument),
    onLinks: (listener: LinkListener) => {
      this.#listener = listener;
      return () => {};
    },
    socket: () => 99,
    system: {
      ffi: { addressOf: (bytes: Uint8Array) => BigInt(this.#memory.push(bytes)) },
      posix: { bind() {}, close() {} },
      tracer: new WireTracer((entry) => this.traced.push(entry)),
    },
  } as unknown as Stack;

  /** What was done to start it, before anything else. */
  get started(): string[] {
    return this.log.map(([command]) => command).filter((command) => !IN_USE.test(command));
  }

  commands(): string[] {
    return this.log.map(([command]) => command).filter((command) => IN_USE.test(command));
  }

  /** The routing socket tells of the interface. */
  linkChanged(): void {
    this.#listener({ index: this.index, what: "changed", name: undefined });
  }

  #ioctl(request: number, argument: Buffer): void {
    switch (request) {
      case SIOCSDRVSPEC:
        this.#set(argument);
        return;
      case SIOCGDRVSPEC:
        this.#get(argument);
        return;
      case SIOCGIFFLAGS:
        argument.writeUInt16LE(this.flags, 16);
        return;
      case SIOCSIFFLAGS:
        this.flags = (argument.readUInt16LE(16) & IFF_UP) | (this.flags & IFF_RUNNING);
        this.log.push([this.flags & IFF_UP ? "up" : "down", []]);
        return;
      case SIOCGIFINDEX:
        argument.writeUInt16LE(this.index, 16);
        return;
      default:
        throw new Error(`the fake knows no ioctl ${request.toString(16)}`);
    }
  }

  #set(argument: Buffer): void {
    const command = nameOf(SET, argument.readBigUInt64LE(16));
    const bytes = this.#bytesOf(argument);
    const list = bytes === undefined ? [] : decodeList(bytes);
    if (bytes) this.requests.push(bytes);
    this.log.push([command, list]);
    const id = Number(nvGet(list, "peerid", "number") ?? -1n);
    const refusal = this.refusals.get(command) ?? this.refuseAt(command, id);
    this.refusals.delete(command);
    if (refusal) throw refuse(refusal);
    if (command === "START_VPN") this.flags |= IFF_UP | IFF_RUNNING;
    if (command === "NEW_PEER" && !this.addsNothing) this.ids.add(id);
    if (command !== "DEL_PEER") return;
    if (!this.ids.delete(id)) throw refuse("ENOENT");
    this.queue.push(deletion(id, 0));
  }

  #get(argument: Buffer): void {
    const command = nameOf(GET, argument.readBigUInt64LE(16));
    const refusal = this.refusals.get(command);
    this.refusals.delete(command);
    if (refusal) throw refuse(refusal);
    const reply = encodeList(this.#reply(command));
    const room = this.#bytesOf(argument);
    this.rooms.set(command, room?.length ?? 0);
    if (room === undefined || reply.length > room.length) throw refuse("ENOSPC");
    room.set(reply);
    argument.writeBigUInt64LE(BigInt(reply.length), 24);
  }

  #reply(command: string): NvList {
    if (command === "POLL_PKT") return [nvNumber("pending", this.queue.length)];
    if (command === "GET_PEER_STATS") {
      const peers = [...this.ids].map((id) => [nvNumber("peerid", id), ...counters(1, 100)]);
      return peers.length === 0 ? [] : [{ name: "peers", type: "nvlist_array", value: peers }];
    }
    const next = this.queue.shift();
    if (next === undefined) throw refuse("ENOENT");
    return next;
  }

  #bytesOf(argument: Buffer): Uint8Array | undefined {
    const length = Number(argument.readBigUInt64LE(24));
    const bytes = this.#memory[Number(argument.readBigUInt64LE(32)) - 1];
    return length === 0 ? undefined : bytes?.subarray(0, length);
  }
}
