/**
 * Devices by their handles: the Win32 side of device.ts.
 */
import { DcoError } from "../../core/errors.ts";
import type { Ffi } from "../../ffi/index.ts";
import type { Device, DeviceOpener, Pending, RequestOptions } from "../device.ts";
import { refusal } from "../ovpn-errors.ts";
import { createKernel32, type Kernel32 } from "./kernel32.ts";
import { type Begin, type Request, type RequestSizes, Requests } from "./requests.ts";
import { Waits } from "./waits.ts";

/** What cancelled requests, and then the handle, get to end. */
const CLOSE_DEADLINE_MS = 3000;

const ERROR_INVALID_HANDLE = 6;

/** See {@link DeviceOpener}. */
export class Win32Devices implements DeviceOpener {
  readonly kernel: Kernel32;
  readonly #waits: Waits;
  readonly #requests: Requests;

  constructor(ffi: Ffi) {
    this.kernel = createKernel32(ffi);
    this.#waits = new Waits(this.kernel);
    this.#requests = new Requests(this.#waits);
  }

  open(path: string, access: "exclusive" | "query"): Device {
    const handle = this.kernel.openDevice(path, access);
    if (typeof handle === "number") throw refusal("OPEN", { kind: "win32", number: handle });
    return new Win32Device(this.kernel, this.#waits, this.#requests, handle);
  }
}

class Win32Device implements Device {
  readonly #kernel: Kernel32;
  readonly #waits: Waits;
  readonly #requests: Requests;
  readonly #handle: bigint;
  readonly #pending = new Set<Request>();
  #closing: Promise<void> | undefined;

  constructor(kernel: Kernel32, waits: Waits, requests: Requests, handle: bigint) {
    this.#kernel = kernel;
    this.#waits = waits;
    this.#requests = requests;
    this.#handle = handle;
  }

  ioctl(code: number, input: Uint8Array, output: number, { ref = true }: RequestOptions = {}): Pending {
    const { length } = input;
    return this.#start(
      (data, overlapped) =>
        this.#kernel.deviceIoControl(
          this.#handle,
          code,
          length === 0 ? 0n : data,
          length,
          output === 0 ? 0n : data + BigInt(length),
          output,
          overlapped,
        ),
      { input, output, wipe: true, ref },
    );
  }

  read(bytes: number): Pending {
    return this.#start((data, overlapped) => this.#kernel.readFile(this.#handle, data, bytes, overlapped), {
      input: new Uint8Array(0),
      output: bytes,
      wipe: false,
      ref: true,
    });
  }

  write(bytes: Uint8Array): Pending {
    return this.#start(
      (data, overlapped) => this.#kernel.writeFile(this.#handle, data, bytes.length, overlapped),
      { input: bytes, output: 0, wipe: false, ref: true },
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #start(begin: Begin, sizes: RequestSizes): Pending {
    if (this.#closing) {
      const failure = { kind: "win32", number: ERROR_INVALID_HANDLE } as const;
      return { outcome: Promise.resolve({ failure, bytes: Buffer.alloc(0) }), cancel() {} };
    }
    const cancel = (overlapped: bigint) => this.#kernel.cancelIo(this.#handle, overlapped);
    const request = this.#requests.start(begin, sizes, cancel);
    this.#pending.add(request);
    void request.outcome.then(() => this.#pending.delete(request));
    return request;
  }

  async #close(): Promise<void> {
    let kept = 0;
    if (this.#pending.size > 0) {
      this.#kernel.cancelIo(this.#handle, 0n);
      kept = await this.#ended();
    }
    const thread = this.#kernel.closeHandleOnThread(this.#handle);
    const isClosed = await this.#waits.once(thread, CLOSE_DEADLINE_MS);
    this.#kernel.closeHandle(thread);
    if (kept > 0) throw overdue(`the driver has not ended ${kept} requests that were cancelled`);
    if (!isClosed) throw overdue("the driver does not let go of the handle");
  }

  /** Waits for what was cancelled; what a driver keeps is given up. @returns how many that were */
  async #ended(): Promise<number> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_DEADLINE_MS);
    });
    const all = Promise.all([...this.#pending].map(({ outcome }) => outcome));
    await Promise.race([all, deadline]);
    clearTimeout(timer);
    const kept = [...this.#pending];
    for (const request of kept) request.abandon();
    return kept.length;
  }
}

/** The adapter stays in use: by the driver, until it is done, or until this process has ended. */
function overdue(what: string): DcoError {
  const problem = `CloseHandle: ${what}, ${CLOSE_DEADLINE_MS / 1000} s after it should have`;
  return new DcoError("timeout", `${problem}; the adapter stays in use until it does`, { effect: "unknown" });
}
