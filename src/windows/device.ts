/**
 * The seam between the backend and a device handle: bytes in, bytes or a code out.
 */
import type { Failure } from "./status.ts";

/** What came of a request. `bytes` is what the driver wrote: with a failure only where it says so (ERROR_MORE_DATA). */
export interface Outcome {
  readonly failure: Failure | undefined;
  readonly bytes: Buffer;
}

/** A request that is under way. */
export interface Pending {
  /** Never rejects. */
  readonly outcome: Promise<Outcome>;
  /** Asks the driver to give it up; the outcome says whether it did. Does nothing once it is over. */
  cancel(): void;
}

/** How a request is made. */
export interface RequestOptions {
  /** Whether the process stays alive while it is under way. Default true. */
  readonly ref?: boolean;
}

/** An open device. Its requests may overlap; all end before `close` does. */
export interface Device {
  /** DeviceIoControl. The input is copied before it returns. */
  ioctl(code: number, input: Uint8Array, outputBytes: number, options?: RequestOptions): Pending;
  /** ReadFile. */
  read(bytes: number): Pending;
  /** WriteFile. The bytes are copied before it returns. */
  write(bytes: Uint8Array): Pending;
  /**
   * Cancels what is under way, and closes the handle; by a deadline, since a driver may keep both. Idempotent.
   *
   * Errors: `timeout`, where the driver has kept one of them. The handle is closed all the same, as soon as it lets go.
   */
  close(): Promise<void>;
}

/** Opens devices. */
export interface DeviceOpener {
  /**
   * Errors: `busy`, `permission`, `not-found`.
   *
   * @param access `exclusive`: read and write, for nobody else at that time; `query`: to ask the version
   */
  open(path: string, access: "exclusive" | "query"): Device;
}
