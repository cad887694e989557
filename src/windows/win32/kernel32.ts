/**
 * The calls of kernel32 and ntdll that requests to a device are made of. For 64-bit Windows.
 *
 * Handles and addresses are bigints. Buffers that the kernel writes to later never are JavaScript's: they are memory of
 * the process heap, which outlives any thread of JavaScript, and what is in it is copied.
 */
import { DcoError } from "../../core/errors.ts";
import type { Ffi, NativeLibrary } from "../../ffi/index.ts";
import { nativeOf } from "../status.ts";

/** INVALID_HANDLE_VALUE. */
export const INVALID_HANDLE = 0xffff_ffff_ffff_ffffn;

const GENERIC_READ = 0x8000_0000;
const GENERIC_WRITE = 0x4000_0000;
const OPEN_EXISTING = 3;
const FILE_ATTRIBUTE_SYSTEM = 4;
const FILE_FLAG_OVERLAPPED = 0x4000_0000;
const FILE_SHARE_ALL = 7;

const HEAP_ZERO_MEMORY = 8;

/** Forever, for waits. */
const INFINITE = 0xffff_ffff;
/** A wait that is over after it was met once. */
const WT_EXECUTEONLYONCE = 8;

/** See the module's comment. */
export type Kernel32 = ReturnType<typeof createKernel32>;

/** A text as the W functions take it. */
export function wide(text: string): Buffer {
  return Buffer.from(`${text}\0`, "utf16le");
}

/** A text of a W function, up to its NUL. */
export function fromWide(bytes: Buffer): string {
  const text = bytes.toString("utf16le", 0, bytes.length & ~1);
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

/** The error for a call that failed, by its Win32 code. */
export function callFailed(call: string, number: number, code: DcoError["code"] = "system"): DcoError {
  const native = nativeOf({ kind: "win32", number });
  return new DcoError(code, `${call}: ${native.name}`, { native });
}

/** Functions of one library that are looked up when they are first called: some Windows, and Wine, lack some. */
export function lazily(ffi: Ffi, name: string): NativeLibrary["func"] {
  let library: NativeLibrary | undefined;
  return (symbol, result, parameters, options) => {
    type Fn = ReturnType<NativeLibrary["func"]>;
    let fn: Fn | undefined;
    const bind = (): Fn => {
      library ??= ffi.library([name]);
      fn ??= library.func(symbol, result, parameters, options) as Fn;
      return fn;
    };
    const call = (...args: Parameters<Fn>) => bind()(...args);
    call.async = (...args: Parameters<Fn>) => bind().async(...args);
    return call as never;
  };
}

/** Binds the calls. Errors: `unavailable` where this is not Windows. */
export function createKernel32(ffi: Ffi) {
  // The first time it is looked up, which must not come between a call and its error.
  ffi.lastError();
  const kernel = ffi.library(["kernel32.dll"]);
  const ntdll = ffi.library(["ntdll.dll"]);
  const p = "pointer";
  const createFile = kernel.func("CreateFileW", p, ["buffer", "u32", "u32", p, "u32", "u32", p]);
  const closeHandle = kernel.func("CloseHandle", "i32", [p]);
  const deviceIoControl = kernel.func("DeviceIoControl", "i32", [p, "u32", p, "u32", p, "u32", p, p]);
  const readFile = kernel.func("ReadFile", "i32", [p, p, "u32", p, p]);
  const writeFile = kernel.func("WriteFile", "i32", [p, p, "u32", p, p]);
  const cancelIoEx = kernel.func("CancelIoEx", "i32", [p, p]);
  const createEvent = kernel.func("CreateEventW", p, [p, "i32", "i32", p]);
  const registerWait = kernel.func("RegisterWaitForSingleObject", "i32", ["buffer", p, p, p, "u32", "u32"]);
  const unregisterWait = kernel.func("UnregisterWait", "i32", [p]);
  const heap = kernel.func("GetProcessHeap", p, [])();
  const heapAlloc = kernel.func("HeapAlloc", p, [p, "u32", "usize"]);
  const heapFree = kernel.func("HeapFree", "i32", [p, "u32", p]);
  const copyIn = ntdll.func("RtlMoveMemory", "void", [p, "buffer", "usize"]);
  const copyOut = ntdll.func("RtlMoveMemory", "void", ["buffer", p, "usize"]);
  const createThread = kernel.func("CreateThread", p, [p, "usize", p, p, "u32", p]);
  const getModuleHandle = kernel.func("GetModuleHandleW", p, ["buffer"]);
  const getProcAddress = kernel.func("GetProcAddress", p, [p, "string"]);
  const module = getModuleHandle(wide("kernel32.dll"));
  const closeHandleAddress = getProcAddress(module, "CloseHandle");
  const setEventAddress = getProcAddress(module, "SetEvent");
  const waitForObject = kernel.func("WaitForSingleObject", "u32", [p, "u32"]);

  /** The result, unless it says that the call failed. */
  function checked<T>(result: T, failed: boolean, call: string): T {
    if (failed) throw callFailed(call, ffi.lastError());
    return result;
  }

  /** 0 for success, else the Win32 code. */
  const codeOf = (result: number): number => (result === 0 ? ffi.lastError() : 0);

  return {
    ffi,
    /** @returns the handle, or the Win32 code */
    openDevice(path: string, access: "exclusive" | "query"): bigint | number {
      const exclusive = access === "exclusive";
      const rights = exclusive ? (GENERIC_READ | GENERIC_WRITE) >>> 0 : GENERIC_READ;
      const flags = FILE_FLAG_OVERLAPPED | FILE_ATTRIBUTE_SYSTEM;
      const share = exclusive ? 0 : FILE_SHARE_ALL;
      const handle = createFile(wide(path), rights, share, 0, OPEN_EXISTING, flags, 0);
      return handle === INVALID_HANDLE ? ffi.lastError() : handle;
    },
    closeHandle(handle: bigint): void {
      closeHandle(handle);
    },
    /**
     * Closes a handle on a thread of its own, since a driver may keep whoever closes waiting.
     *
     * @returns that thread, as a handle that is signalled when it has ended
     */
    closeHandleOnThread: (handle: bigint): bigint =>
      checkedHandle(createThread(0, 0, closeHandleAddress, handle, 0, 0), "CreateThread"),
    /** @returns 0, or the Win32 code: 997 where it is under way */
    deviceIoControl: (
      handle: bigint,
      code: number,
      input: bigint,
      inputBytes: number,
      output: bigint,
      outputBytes: number,
      overlapped: bigint,
    ): number => codeOf(deviceIoControl(handle, code, input, inputBytes, output, outputBytes, 0, overlapped)),
    /** As above. */
    readFile: (handle: bigint, bytes: bigint, length: number, overlapped: bigint): number =>
      codeOf(readFile(handle, bytes, length, 0, overlapped)),
    /** As above. */
    writeFile: (handle: bigint, bytes: bigint, length: number, overlapped: bigint): number =>
      codeOf(writeFile(handle, bytes, length, 0, overlapped)),
    /** @param overlapped 0: all of the handle. That nothing is pending is no error. */
    cancelIo(handle: bigint, overlapped: bigint): void {
      cancelIoEx(handle, overlapped);
    },
    /** An event that goes back to unsignalled by itself. */
    createEvent: (): bigint => checkedHandle(createEvent(0, 0, 0, 0), "CreateEvent"),
    /**
     * Calls back whenever the object is signalled, or the first time only.
     *
     * @returns the wait, for `unregisterWait`
     */
    registerWait(object: bigint, callback: bigint, context: bigint, once: boolean): bigint {
      const wait = Buffer.alloc(8);
      const flags = once ? WT_EXECUTEONLYONCE : 0;
      const result = registerWait(wait, object, callback, context, INFINITE, flags);
      checked(result, result === 0, "RegisterWaitForSingleObject");
      return wait.readBigUInt64LE(0);
    },
    /** SetEvent as a callback: its context is the event. */
    setEventAddress,
    isSignalled: (object: bigint): boolean => waitForObject(object, 0) === 0,
    /** A call back that is on its way still comes. */
    unregisterWait(wait: bigint): void {
      unregisterWait(wait);
    },
    /** Zeroed memory. */
    allocate(bytes: number): bigint {
      const address = heapAlloc(heap, HEAP_ZERO_MEMORY, bytes);
      if (address === 0n) throw new DcoError("system", "the process is out of memory");
      return address;
    },
    free(address: bigint): void {
      heapFree(heap, 0, address);
    },
    /** Copies bytes to an address. */
    write(address: bigint, bytes: Uint8Array): void {
      if (bytes.length > 0) copyIn(address, bytes, bytes.length);
    },
    /** Copies bytes from an address. */
    read(address: bigint, bytes: Uint8Array): void {
      if (bytes.length > 0) copyOut(bytes, address, bytes.length);
    },
  };

  function checkedHandle(handle: bigint, call: string): bigint {
    return checked(handle, handle === 0n, call);
  }
}
