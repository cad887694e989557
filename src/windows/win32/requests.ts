/**
 * Overlapped requests: each has an OVERLAPPED and its bytes in memory that stays.
 */
import type { Outcome, Pending } from "../device.ts";
import { type Failure, isSuccess, STATUS_PENDING } from "../status.ts";
import type { Waits } from "./waits.ts";

const ERROR_IO_PENDING = 997;
const ERROR_MORE_DATA = 234;
const STATUS_CANCELLED = 0xc0000120;

/** struct OVERLAPPED of 64-bit Windows: status, bytes, offset, event. */
const OVERLAPPED_BYTES = 32;
const HIGH_OFFSET = 8;
const EVENT_OFFSET = 24;

/** Where the bytes of a request begin. */
const DATA = 64;

/** What a place has room for at first; most requests need less. */
const FIRST_BYTES = 4096;
/** A place with more room than this gives it back. */
const KEPT_BYTES = 1 << 16;

/** Memory for one request at a time, used again and again. */
interface Place {
  address: bigint;
  bytes: number;
}

/** What to ask, with its addresses. @returns 0, or the Win32 code */
export type Begin = (data: bigint, overlapped: bigint) => number;

/** How a request is made. */
export interface RequestSizes {
  readonly input: Uint8Array;
  /** Bytes that the driver may write, behind the input. */
  readonly output: number;
  /** The kernel has its copy of the input when the call returns: ours is wiped then. */
  readonly wipe: boolean;
  readonly ref: boolean;
}

/** A request of {@link Requests}. */
export interface Request extends Pending {
  readonly overlapped: bigint;
  /** Gives it up, though the kernel has not: its memory is never used again. */
  abandon(): void;
}

/** Makes requests of any number of handles. */
export class Requests {
  readonly #waits: Waits;
  readonly #idle: Place[] = [];
  readonly #result = Buffer.alloc(16);

  constructor(waits: Waits) {
    this.#waits = waits;
  }

  /** @param cancel asks the kernel to give up what has this OVERLAPPED */
  start(begin: Begin, sizes: RequestSizes, cancel: (overlapped: bigint) => void): Request {
    const { kernel, keepAlive } = this.#waits;
    const { input, output, ref } = sizes;
    const place = this.#take(DATA + input.length + output);
    const { address } = place;
    this.#prepare(place, input);
    const code = begin(address + BigInt(DATA), address);
    this.#waits.begun();
    if (sizes.wipe) kernel.write(address + BigInt(DATA), Buffer.alloc(input.length));
    const bytesAt = address + BigInt(DATA + input.length);
    if (code !== 0 && code !== ERROR_IO_PENDING) {
      const failure: Failure = { kind: "win32", number: code };
      const length = code === ERROR_MORE_DATA ? this.#written(address) : 0;
      return this.#over(place, { failure, bytes: this.#copy(bytesAt, Math.min(length, output)) });
    }
    const outcome = (): Outcome | undefined => {
      const status = this.#status(address);
      if (status === STATUS_PENDING) return undefined;
      const failure: Failure | undefined = isSuccess(status)
        ? undefined
        : { kind: "ntstatus", number: status };
      return { failure, bytes: this.#copy(bytesAt, Math.min(this.#written(address), output)) };
    };
    const now = outcome();
    if (now) return this.#over(place, now);

    if (ref) keepAlive.hold();
    let resolve: (outcome: Outcome) => void = () => {};
    const promise = new Promise<Outcome>((settle) => {
      resolve = settle;
    });
    let over = false;
    const end = (with_: Outcome) => {
      over = true;
      this.#waits.remove(look);
      if (ref) keepAlive.release();
      resolve(with_);
    };
    const look = () => {
      const found = over ? undefined : outcome();
      if (found === undefined) return;
      end(found);
      this.#giveBack(place);
    };
    this.#waits.add(look);
    return {
      overlapped: address,
      outcome: promise,
      cancel: () => {
        if (!over) cancel(address);
      },
      abandon: () => {
        if (over) return;
        end({ failure: { kind: "ntstatus", number: STATUS_CANCELLED }, bytes: Buffer.alloc(0) });
      },
    };
  }

  /** A request that was over when the call returned. */
  #over(place: Place, outcome: Outcome): Request {
    this.#giveBack(place);
    const nothing = () => {};
    return { overlapped: 0n, outcome: Promise.resolve(outcome), cancel: nothing, abandon: nothing };
  }

  #take(bytes: number): Place {
    const place = this.#idle.pop() ?? this.#make();
    if (place.bytes < bytes) {
      const { kernel } = this.#waits;
      const address = kernel.allocate(bytes);
      kernel.free(place.address);
      place.address = address;
      place.bytes = bytes;
    }
    return place;
  }

  #make(): Place {
    const { kernel } = this.#waits;
    return { address: kernel.allocate(FIRST_BYTES), bytes: FIRST_BYTES };
  }

  #giveBack(place: Place): void {
    if (place.bytes > KEPT_BYTES) {
      const { kernel } = this.#waits;
      kernel.free(place.address);
      place.address = kernel.allocate(FIRST_BYTES);
      place.bytes = FIRST_BYTES;
    }
    this.#idle.push(place);
  }

  #prepare({ address }: Place, input: Uint8Array): void {
    const { kernel, event } = this.#waits;
    const overlapped = Buffer.alloc(OVERLAPPED_BYTES);
    // So that a request that has not begun is never taken for one that is over.
    overlapped.writeUInt32LE(STATUS_PENDING, 0);
    overlapped.writeBigUInt64LE(event, EVENT_OFFSET);
    kernel.write(address, overlapped);
    kernel.write(address + BigInt(DATA), input);
  }

  /**
   * The kernel may write it at this moment, and what copies it may do so byte by byte: once a byte of it has changed all
   * have, so the second look is whole.
   */
  #status(address: bigint): number {
    const { kernel } = this.#waits;
    kernel.read(address, this.#result);
    if (this.#result.readUInt32LE(0) === STATUS_PENDING) return STATUS_PENDING;
    kernel.read(address, this.#result);
    return this.#result.readUInt32LE(0);
  }

  #written(address: bigint): number {
    this.#waits.kernel.read(address, this.#result);
    return this.#result.readUInt32LE(HIGH_OFFSET);
  }

  #copy(address: bigint, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    this.#waits.kernel.read(address, bytes);
    return bytes;
  }
}
