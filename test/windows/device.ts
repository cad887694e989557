/** Handles of the driver, and overlapped requests on them. */
import {
  CancelIoEx,
  CloseHandle,
  CreateEventW,
  CreateFileW,
  DeviceIoControl,
  GetLastError,
  type Handle,
  INVALID_HANDLE,
  ReadFile,
  signalled,
  WriteFile,
} from "./win32.ts";

const GENERIC_READ_WRITE = 0xc0000000;
const OPEN_EXISTING = 3;
const FILE_FLAG_OVERLAPPED = 0x40000000;
const ERROR_IO_PENDING = 997;
const OVERLAPPED_SIZE = 32;
const EVENT_OFFSET = 24;
/** Memory of less may be V8's own, which moves. */
const LEAST_BUFFER = 128;

/** Names of NTSTATUS values, with the error codes that Windows makes of them. */
const WIN32_OF: ReadonlyMap<number, number> = new Map([
  [0x00000000, 0],
  [0x80000005, 234],
  [0xc000000d, 87],
  [0xc0000010, 1],
  [0xc0000017, 8],
  [0xc0000022, 5],
  [0xc0000023, 122],
  [0xc00000b5, 121],
  [0xc0000120, 995],
  [0xc0000141, 59],
  [0xc0000184, 22],
  [0xc0000206, 1784],
  [0xc000020a, 52],
  [0xc000020c, 64],
  [0xc0000225, 1168],
  [0xc000022b, 5010],
  [0xc0000236, 1225],
  [0xc000023c, 1231],
  [0xc000023d, 1232],
  [0xc0000241, 1236],
  [0xc00002f0, 2],
  [0xc0000510, 1247],
  [0xc0000702, 87],
]);

/** How a request ended. */
export interface Answer {
  /** A Windows error code; 0 for none. */
  readonly error: number;
  /** The answer's bytes. */
  readonly bytes: Buffer;
  /** It was pending first. */
  readonly pended: boolean;
}

/** A request on its way. */
export interface Pending {
  readonly answer: Promise<Answer>;
  cancel(): void;
}

type Start = (overlapped: Buffer, memory: Buffer) => number;

/** An open handle. */
export class Device {
  readonly handle: Handle;

  private constructor(handle: Handle) {
    this.handle = handle;
  }

  static open(path: string): Device {
    const handle = CreateFileW(path, GENERIC_READ_WRITE, 0, null, OPEN_EXISTING, FILE_FLAG_OVERLAPPED | 4, 0);
    if (handle === INVALID_HANDLE) throw new Error(`${path} cannot be opened: error ${GetLastError()}`);
    return new Device(handle);
  }

  /** A control request, from its first return to its end. */
  ioctl(code: number, input: Uint8Array | undefined, outLength = 0): Promise<Answer> {
    return this.startIoctl(code, input, outLength).answer;
  }

  startIoctl(code: number, input: Uint8Array | undefined, outLength = 0): Pending {
    const given = input === undefined ? null : Buffer.alloc(Math.max(input.length, LEAST_BUFFER));
    if (given) given.set(input as Uint8Array);
    const inLength = input?.length ?? 0;
    return this.#start(outLength, (overlapped, memory) =>
      DeviceIoControl(
        this.handle,
        code,
        given,
        inLength,
        outLength === 0 ? null : memory,
        outLength,
        null,
        overlapped,
      ),
    );
  }

  read(length = 4096): Pending {
    return this.#start(length, (overlapped, memory) =>
      ReadFile(this.handle, memory, length, null, overlapped),
    );
  }

  write(bytes: Uint8Array): Promise<Answer> {
    const given = Buffer.alloc(Math.max(bytes.length, LEAST_BUFFER));
    given.set(bytes);
    return this.#start(0, (overlapped) => WriteFile(this.handle, given, bytes.length, null, overlapped))
      .answer;
  }

  /** Cancels all that is pending. */
  cancelAll(): void {
    CancelIoEx(this.handle, null);
  }

  close(): void {
    CloseHandle(this.handle);
  }

  #start(length: number, start: Start): Pending {
    const memory = Buffer.alloc(Math.max(length, LEAST_BUFFER));
    const overlapped = Buffer.alloc(Math.max(OVERLAPPED_SIZE, LEAST_BUFFER));
    const event = CreateEventW(null, 1, 0, null);
    overlapped.writeBigInt64LE(BigInt(event), EVENT_OFFSET);
    const succeeded = start(overlapped, memory) !== 0;
    const error = succeeded ? 0 : GetLastError();
    const answer = succeeded || error === ERROR_IO_PENDING ? signalled(event) : Promise.resolve();
    return {
      cancel: () => void CancelIoEx(this.handle, overlapped),
      answer: answer.then(() => {
        CloseHandle(event);
        const pended = error === ERROR_IO_PENDING;
        if (!succeeded && !pended) return { error, bytes: Buffer.alloc(0), pended };
        const status = overlapped.readUInt32LE(0);
        const known = WIN32_OF.get(status);
        if (known === undefined) throw new Error(`NTSTATUS 0x${status.toString(16)} is in no sheet`);
        const returned = Number(overlapped.readBigUInt64LE(8));
        return { error: known, bytes: Buffer.from(memory.subarray(0, returned)), pended };
      }),
    };
  }
}

/** The path by which Windows would add `\ovpn-dco`; Wine cannot. */
export function adapterPath(number: number): string {
  const instance = String(number).padStart(4, "0");
  return `\\\\?\\ROOT#NET#${instance}#{cac88484-7515-4c03-82e6-71a87abac361}`;
}
