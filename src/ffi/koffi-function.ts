/**
 * Functions on koffi.
 */
import type * as Koffi from "koffi";
import { invalid } from "../core/errors.ts";
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

/** What to look up. */
export interface FunctionRequest<R extends NativeResult> {
  readonly symbol: string;
  readonly result: R;
  readonly parameters: readonly NativeType[];
  readonly errno: boolean;
}

type Raw = (...args: NativeArgument[]) => number | bigint | undefined;
type Convert = (result: number | bigint | undefined) => number | bigint | undefined;
type RawAsync = (...args: [...NativeArgument[], (error: unknown, result: number) => void]) => void;

const MOST_PARAMETERS_OF_ERRNO_CALLS = 6;

/** Looks a function up and fits it to the seam. */
export function adaptFunction<R extends NativeResult>(
  koffi: KoffiModule,
  handle: Koffi.LibraryHandle,
  request: FunctionRequest<R>,
): NativeFunction<NativeResults[R]> {
  const { symbol, result, parameters } = request;
  if (request.errno && !["i32", "i64", "isize"].includes(result)) {
    throw invalid("options.errno", `a result of type ${result} cannot be a negative errno`);
  }
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
  if (errno) return (value) => (value === -1 ? -koffi.errno() : value);
  if (result === "pointer") return (value) => BigInt(value as number | bigint);
  return undefined;
}

/** A fixed number of parameters saves the array of a rest parameter on the hottest calls. */
function withErrno(native: Raw, errno: () => number, parameters: number): Raw {
  switch (parameters) {
    case 0:
      return () => check(native(), errno);
    case 1:
      return (a) => check(native(a as NativeArgument), errno);
    case 2:
      return (a, b) => check(native(a as NativeArgument, b as NativeArgument), errno);
    case 3:
      return (a, b, c) => check(native(a as never, b as never, c as never), errno);
    case 4:
      return (a, b, c, d) => check(native(a as never, b as never, c as never, d as never), errno);
    case 5:
      return (a, b, c, d, e) =>
        check(native(a as never, b as never, c as never, d as never, e as never), errno);
    case MOST_PARAMETERS_OF_ERRNO_CALLS:
      return (a, b, c, d, e, f) =>
        check(native(a as never, b as never, c as never, d as never, e as never, f as never), errno);
    default:
      return (...args) => check(native(...args), errno);
  }
}

function check(result: number | bigint | undefined, errno: () => number): number | bigint | undefined {
  return result === -1 ? -errno() : result;
}

function promised(nativeAsync: RawAsync, convert: Convert | undefined) {
  return (...args: NativeArgument[]): Promise<number | bigint | undefined> =>
    new Promise((resolve, reject) => {
      nativeAsync(...args, (error, result) => {
        // koffi does not keep the memory of typed arrays; this closure does, until the call has returned.
        args.length = 0;
        if (error) reject(error);
        else resolve(convert ? convert(result) : result);
      });
    });
}
