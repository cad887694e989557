/**
 * What a native call can be, whichever library makes it: integers, addresses and bytes.
 */

/**
 * A parameter's type.
 *
 * - integers by width; `usize` and `isize` are `size_t` and `ssize_t`
 * - `pointer`: an address as an integer
 * - `buffer`: a Uint8Array, passed by the address of its first byte and not copied, or null
 * - `string`: text, copied and ended with a NUL
 *
 * Variadic C functions (`ioctl`, `fcntl`, `open`) are declared with the parameters of the call: on the
 * platforms that have DCO, integers and addresses go the same way in both conventions.
 */
export type NativeType =
  | "void"
  | "i32"
  | "u32"
  | "i64"
  | "u64"
  | "usize"
  | "isize"
  | "pointer"
  | "buffer"
  | "string";

/** What a native function can return. A `char *` is a `pointer`. */
export type NativeResult = Exclude<NativeType, "buffer" | "string">;

/** What goes in: a number (an integer), a bigint where the type has 64 bits, bytes or null, text. */
export type NativeArgument = number | bigint | Uint8Array | null | string;

/** What comes out of each type; 64 bits are a number where that is exact, else a bigint. */
export interface NativeResults {
  void: undefined;
  i32: number;
  u32: number;
  i64: number | bigint;
  u64: number | bigint;
  usize: number | bigint;
  /** `ssize_t` counts bytes in memory, so it always fits. */
  isize: number;
  pointer: bigint;
}

/** A C function. */
export interface NativeFunction<Result = number | bigint> {
  /** Calls it on this thread. */
  (...args: NativeArgument[]): Result;
  /**
   * Calls it on a thread of libuv's pool. The arguments are kept until it returns.
   *
   * Never for what may wait without end: it takes one of four threads, and the process cannot exit.
   */
  async(...args: NativeArgument[]): Promise<Result>;
}

/** How a function reports failure. */
export interface FunctionOptions {
  /**
   * A result of -1 becomes `-errno`, as the kernel itself returns it, in the synchronous and in the async
   * form. For `i32`, `isize` and `i64` results.
   */
  readonly errno?: boolean;
}

/** A loaded shared library. */
export interface NativeLibrary {
  /** Looks a function up. Errors: `unavailable` if the library has none of this name. */
  func<R extends NativeResult>(
    name: string,
    result: R,
    parameters: readonly NativeType[],
    options?: FunctionOptions,
  ): NativeFunction<NativeResults[R]>;
  /** Whether the library has a symbol of this name. */
  has(name: string): boolean;
}

/** Memory at an address that stays the same. */
export interface PinnedMemory {
  /** The address of the first byte. Errors: `closed` after `free`. */
  readonly address: bigint;
  /** The same memory, not a copy. Errors: `closed` after `free`. */
  readonly bytes: Buffer;
  /** Fills the memory with zeros and lets go of it. Idempotent. The kernel must be done with it. */
  free(): void;
}

/** A JavaScript function that native code can call. */
export interface NativeCallback {
  /** The address of a C function. Errors: `closed` after `close`. */
  readonly pointer: bigint;
  /** Gives the address back. Idempotent. Native code must not call it any more. */
  close(): void;
}

/** What native code passes to a callback: a bigint for a `pointer`. */
export type CallbackArgument = number | bigint;

/** The types of a callback's parameters. Memory is passed by address. */
export type CallbackParameter = Exclude<NativeType, "void" | "buffer" | "string">;

/** How {@link Ffi.watchReadable} watches. */
export interface WatchOptions {
  /** Whether the watcher keeps the process alive. Default true. */
  readonly ref?: boolean;
  /** The descriptor cannot be watched any more; the watcher is closed. Default: nothing. */
  readonly onError?: (error: Error) => void;
}

/** Watches a descriptor until it is closed. */
export interface FdWatcher {
  /** Stops at once. Idempotent. Close the watcher before the descriptor. */
  close(): void;
}

/** What an adapter can do; what it cannot is `unsupported` when called, with the name of the field. */
export interface FfiFeatures {
  readonly async: boolean;
  readonly pinnedMemory: boolean;
  readonly callbacks: boolean;
  /** Callbacks from threads that JavaScript does not know. */
  readonly foreignThreadCallbacks: boolean;
  readonly fdWatcher: boolean;
  /** Win32 `GetLastError` after a synchronous call. */
  readonly lastError: boolean;
}

/** The one way to native code. */
export interface Ffi {
  readonly name: "koffi" | "ffi-rs";
  readonly features: FfiFeatures;
  /**
   * Loads the first of these libraries that loads; {@link THIS_PROCESS} means what the process has loaded
   * already, which on POSIX includes libc, whatever its file is called.
   *
   * Errors: `unavailable`, naming all that were tried.
   */
  library(names: readonly string[]): NativeLibrary;
  /** `errno` of the last synchronous call; read it before the next call. Of a call with `errno: true` the
   * result is safer. */
  errno(): number;
  /** Win32 `GetLastError` of the last synchronous call; read it before the next call. */
  lastError(): number;
  /** Zeroed memory that stays where it is until it is freed. */
  allocate(size: number): PinnedMemory;
  /**
   * The address of the first byte, for pointers inside packed structures.
   *
   * Valid as long as the same Uint8Array, or another view of its ArrayBuffer, is referenced by JavaScript
   * and the ArrayBuffer is neither resized nor transferred: its memory lies outside of V8's heap and is not
   * moved. An empty array has no address: 0n.
   */
  addressOf(bytes: Uint8Array): bigint;
  /**
   * Makes a C function of a JavaScript function, which may be called from any thread.
   *
   * A call from another thread waits for the event loop, which it does not keep alive. An error thrown
   * during a call from this thread is thrown by the native function that made it; from another thread it
   * is an uncaught exception. Native code gets 0 then.
   */
  callback(
    result: "void" | "i32" | "u32",
    parameters: readonly CallbackParameter[],
    fn: (...args: CallbackArgument[]) => number | undefined,
  ): NativeCallback;
  /**
   * Calls back, from the event loop, while a descriptor has something to read or an error to tell.
   *
   * Read until EAGAIN, or leave the rest for the next call. A duplicate of the descriptor is watched, so the
   * socket stays open until the watcher is closed too.
   *
   * Errors: `socket` for what is not open, `unsupported` for what cannot be watched, such as a file.
   */
  watchReadable(fd: number, onReadable: () => void, options?: WatchOptions): FdWatcher;
}

/** For {@link Ffi.library}: what this process has loaded already. */
export const THIS_PROCESS = "";
