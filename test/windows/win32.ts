/**
 * Win32 by koffi, without any code of the package: what the simulator is judged with must not be what is tested on it.
 */
import { createRequire } from "node:module";
import type * as Koffi from "koffi";

/** What is to be bound: with the first call, since the suite is loaded on other systems too. */
const unbound: ((koffi: typeof Koffi, kernel32: ReturnType<typeof Koffi.load>) => void)[] = [];

/** All at once: to bind one later would change what GetLastError says. */
function bind(): void {
  if (unbound.length === 0) return;
  const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
  const kernel32 = koffi.load("kernel32.dll");
  for (const each of unbound.splice(0)) each(koffi, kernel32);
}

/** A handle, as a number. */
export type Handle = number;

export const INVALID_HANDLE: Handle = -1;

function func<F extends (...args: never[]) => unknown>(declaration: string): F {
  let native: F | undefined;
  unbound.push((_, kernel32) => {
    native = kernel32.func(declaration) as unknown as F;
  });
  const call = (...args: Parameters<F>) => {
    bind();
    return (native as F)(...args);
  };
  return call as unknown as F;
}

export const CreateFileW = func<
  (
    path: string,
    access: number,
    share: number,
    security: null,
    disposition: number,
    flags: number,
    template: number,
  ) => Handle
>(
  "intptr_t __stdcall CreateFileW(str16 path, uint32_t access, uint32_t share, void *security, uint32_t disposition, uint32_t flags, intptr_t template)",
);
export const CloseHandle = func<(handle: Handle) => number>("int __stdcall CloseHandle(intptr_t handle)");
export const DeviceIoControl = func<
  (
    handle: Handle,
    code: number,
    input: Buffer | null,
    inLength: number,
    output: Buffer | null,
    outLength: number,
    returned: Buffer | null,
    overlapped: Buffer | null,
  ) => number
>(
  "int __stdcall DeviceIoControl(intptr_t handle, uint32_t code, void *input, uint32_t inLength, void *output, uint32_t outLength, void *returned, void *overlapped)",
);
type Transfer = (handle: Handle, bytes: Buffer, length: number, done: null, overlapped: Buffer) => number;
export const ReadFile = func<Transfer>(
  "int __stdcall ReadFile(intptr_t handle, void *bytes, uint32_t length, void *done, void *overlapped)",
);
export const WriteFile = func<Transfer>(
  "int __stdcall WriteFile(intptr_t handle, void *bytes, uint32_t length, void *done, void *overlapped)",
);
export const CancelIoEx = func<(handle: Handle, overlapped: Buffer | null) => number>(
  "int __stdcall CancelIoEx(intptr_t handle, void *overlapped)",
);
export const GetLastError = func<() => number>("uint32_t __stdcall GetLastError()");
export const CreateEventW = func<(security: null, manual: number, initial: number, name: null) => Handle>(
  "intptr_t __stdcall CreateEventW(void *security, int manual, int initial, void *name)",
);

unbound.push((koffi) => koffi.proto("void __stdcall WaitCallback(intptr_t context, uint8_t timedOut)"));
const RegisterWaitForSingleObject = func<
  (
    wait: Buffer,
    object: Handle,
    callback: unknown,
    context: number,
    milliseconds: number,
    flags: number,
  ) => number
>(
  "int __stdcall RegisterWaitForSingleObject(void *wait, intptr_t object, WaitCallback *callback, intptr_t context, uint32_t milliseconds, uint32_t flags)",
);
const UnregisterWait = func<(wait: Handle) => number>("int __stdcall UnregisterWait(intptr_t wait)");

const INFINITE = 0xffffffff;
const EXECUTE_ONLY_ONCE = 8;

interface Wait {
  readonly handle: Buffer;
  readonly resolve: () => void;
}

const waits = new Map<number, Wait>();
let nextWait = 1;
/** koffi's callbacks from other threads do not keep the process alive. */
let alive: NodeJS.Timeout | undefined;
let callback: unknown;
unbound.push((koffi) => {
  callback = koffi.register(onSignal, "WaitCallback *");
});

function onSignal(context: number): void {
  const wait = waits.get(context);
  if (!wait) return;
  waits.delete(context);
  if (waits.size === 0) clearInterval(alive);
  UnregisterWait(Number(wait.handle.readBigInt64LE(0)));
  wait.resolve();
}

/** Resolves when the object is signalled, without a thread of libuv's pool. */
export function signalled(object: Handle): Promise<void> {
  return new Promise((resolve, reject) => {
    bind();
    const context = nextWait++;
    const handle = Buffer.alloc(128);
    if (waits.size === 0) alive = setInterval(() => {}, 1000);
    waits.set(context, { handle, resolve });
    if (RegisterWaitForSingleObject(handle, object, callback, context, INFINITE, EXECUTE_ONLY_ONCE) !== 0)
      return;
    waits.delete(context);
    reject(new Error(`RegisterWaitForSingleObject: error ${GetLastError()}`));
  });
}
