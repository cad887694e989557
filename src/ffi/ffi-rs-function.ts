/**
 * Functions on ffi-rs. Each call names library, function and types again, which is why it is slow.
 */
import type { FunctionRequest } from "./request.ts";
import type { NativeArgument, NativeFunction, NativeResult, NativeResults, NativeType } from "./types.ts";

/** What is used of the package. (Its own types would make it a dependency of ours.) */
export interface FfiRs {
  open(library: { library: string; path: string }): void;
  load(call: FfiRsCall): unknown;
}

interface FfiRsCall {
  readonly library: string;
  readonly funcName: string;
  readonly retType: number;
  readonly paramsType: number[];
  readonly paramsValue: unknown[];
  readonly errno: true;
  readonly runInNewThread?: true;
}

interface FfiRsResult {
  readonly value: number | bigint | undefined;
  readonly errnoCode: number;
}

/** Where the errno of synchronous calls is left. */
export interface LastErrno {
  errno: number;
}

/** Members of ffi-rs's DataType. */
const STRING = 0;
const I32 = 1;
const VOID = 7;
const U8_ARRAY = 10;
/** 64 bits, with a sign, as a bigint. Its I64 and U64 are numbers, and lose digits above 2^53. */
const BIG_INT = 16;
const U32 = 20;

const TYPES: Record<NativeType, number> = {
  void: VOID,
  i32: I32,
  u32: U32,
  i64: BIG_INT,
  u64: BIG_INT,
  usize: BIG_INT,
  isize: BIG_INT,
  pointer: BIG_INT,
  buffer: U8_ARRAY,
  string: STRING,
};

type Value = number | bigint | undefined;

/** Fits a function to the seam. */
export function adaptFunction<R extends NativeResult>(
  ffiRs: FfiRs,
  last: LastErrno,
  library: string,
  request: FunctionRequest<R>,
): NativeFunction<NativeResults[R]> {
  const { symbol, result, parameters } = request;
  const describe = (args: readonly NativeArgument[]): FfiRsCall => {
    if (args.length !== parameters.length) {
      throw new TypeError(`${symbol} takes ${parameters.length} arguments, not ${args.length}`);
    }
    const paramsType = parameters.map((type) => TYPES[type]);
    const paramsValue = parameters.map((type, i) => {
      const arg = args[i] as NativeArgument;
      if (arg === null) paramsType[i] = BIG_INT;
      return toFfiRs(type, arg);
    });
    return { library, funcName: symbol, retType: TYPES[result], paramsType, paramsValue, errno: true };
  };
  const convert = ({ value, errnoCode }: FfiRsResult): Value => {
    const converted = fromFfiRs(result, value);
    return request.errno && converted === -1 ? -errnoCode : converted;
  };
  const adapted = (...args: NativeArgument[]): Value => {
    const outcome = ffiRs.load(describe(args)) as FfiRsResult;
    last.errno = outcome.errnoCode;
    return convert(outcome);
  };
  const asynchronous = async (...args: NativeArgument[]): Promise<Value> => {
    const call = { ...describe(args), runInNewThread: true } as const;
    const outcome = (await ffiRs.load(call)) as FfiRsResult;
    // The typed arrays are kept until here.
    call.paramsValue.length = 0;
    return convert(outcome);
  };
  return Object.assign(adapted, { async: asynchronous }) as unknown as NativeFunction<NativeResults[R]>;
}

function toFfiRs(type: NativeType, arg: NativeArgument): unknown {
  if (arg === null) return 0n;
  if (TYPES[type] === BIG_INT) return BigInt.asIntN(64, BigInt(arg as number | bigint));
  if (type === "u32") return Number(arg) >>> 0;
  return arg;
}

function fromFfiRs(result: NativeResult, value: Value): Value {
  if (result === "void" || value === undefined) return undefined;
  if (typeof value === "number") return value;
  if (result === "i64" || result === "isize") return asNumber(value);
  const unsigned = BigInt.asUintN(64, value);
  return result === "pointer" ? unsigned : asNumber(unsigned);
}

function asNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
