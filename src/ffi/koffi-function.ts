/**
 * Functions on koffi.
 */
import type * as Koffi from "koffi";
import type { FunctionRequest } from "./request.ts";
import type { NativeArgument, NativeFunction, NativeResult, NativeResults, NativeType } from "./types.ts";

type KoffiModule = typeof Koffi;

/** koffi's names. An address is an integer to us; `void *` takes typed arrays without a copy. */
const TYPES: Record<NativeType, string> = {
  void: "void",
  i32: "int32_t",
  u32: "uint32_t",
  i64: "int64_t",
  u64: "uint64_t",
  usize: "size_t",
  isize: "intptr_t",
  pointer: "uintptr_t",
  buffer: "void *",
  string: "const char *",
};

/** koffi's name for a type. */
export function koffiType(type: NativeType): string {
  return TYPES[type];
}

type Value = number | bigint | undefined;
type Raw = (...args: NativeArgument[]) => Value;
type Convert = (result: Value) => Value;
type RawAsync = (...args: [...NativeArgument[], (error: unknown, result: number) => void]) => void;

/** Looks a function up and fits it to the seam. */
export function adaptFunction<R extends NativeResult>(
  koffi: KoffiModule,
  handle: Koffi.LibraryHandle,
  request: FunctionRequest<R>,
): NativeFunction<NativeResults[R]> {
  const { symbol, result, parameters } = request;
  const native = handle.func(symbol, TYPES[result], parameters.map(koffiType));
  const nativeAsync: RawAsync = native.async;
  const convert = converter(koffi, result, request.errno);
  let adapted: Raw = native;
  if (request.errno) adapted = withErrno(native, koffi.errno, parameters.length);
  else if (convert) adapted = (...args) => convert(native(...args));
  Object.defineProperty(adapted, "async", { value: promised(nativeAsync, convert) });
  return adapted as unknown as NativeFunction<NativeResults[R]>;
}

function converter(koffi: KoffiModule, result: NativeResult, errno: boolean): Convert | undefined {
  // Inside the callback of an async call, koffi.errno() is that of the call.
  if (errno) return (value) => negate(value, koffi.errno);
  if (result === "pointer") return (value) => BigInt(value as number | bigint);
  return undefined;
}

function negate(result: Value, errno: () => number): Value {
  return result === -1 ? -errno() : result;
}

/** A fixed number of parameters saves the array of a rest parameter: send, recv and ioctl are hot. */
function withErrno(
  native: (...args: (NativeArgument | undefined)[]) => Value,
  errno: () => number,
  n: number,
): Raw {
  switch (n) {
    case 0:
      return () => negate(native(), errno);
    case 1:
      return (a) => negate(native(a), errno);
    case 2:
      return (a, b) => negate(native(a, b), errno);
    case 3:
      return (a, b, c) => negate(native(a, b, c), errno);
    case 4:
      return (a, b, c, d) => negate(native(a, b, c, d), errno);
    case 5:
      return (a, b, c, d, e) => negate(native(a, b, c, d, e), errno);
    case 6:
      return (a, b, c, d, e, f) => negate(native(a, b, c, d, e, f), errno);
    default:
      return (...args) => negate(native(...args), errno);
  }
}

/** koffi refuses calls beyond 256 in flight, each with 256 KiB of its own; a few at a time really run. */
const MOST_IN_FLIGHT = 128;
const waiting: (() => void)[] = [];
let inFlight = 0;

function begin(start: () => void): void {
  if (inFlight === MOST_IN_FLIGHT) {
    waiting.push(start);
    return;
  }
  inFlight++;
  start();
}

function end(): void {
  const next = waiting.shift();
  if (next) next();
  else inFlight--;
}

function promised(nativeAsync: RawAsync, convert: Convert | undefined) {
  return (...args: NativeArgument[]): Promise<Value> =>
    new Promise((resolve, reject) => {
      begin(() => {
        try {
          nativeAsync(...args, (error, result) => {
            // koffi does not keep typed arrays alive (seen); this closure does, until the call has returned.
            args.length = 0;
            // The errno is read before anything else is called.
            const value = error || !convert ? result : convert(result);
            end();
            if (error) reject(error);
            else resolve(value);
          });
        } catch (error) {
          end();
          reject(error);
        }
      });
    });
}
