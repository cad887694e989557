/**
 * Callbacks on koffi.
 */
import type * as Koffi from "koffi";
import { DcoError } from "../core/errors.ts";
import { koffiType } from "./koffi-function.ts";
import type { CallbackArgument, CallbackParameter, Ffi, NativeCallback } from "./types.ts";

type KoffiModule = typeof Koffi;

/** koffi keeps a type for ever, so there is one for each signature. */
const pointers = new Map<string, Koffi.TypeObject>();

/** See `Ffi.callback`. */
export function adaptCallback(
  koffi: KoffiModule,
  result: "void" | "i32" | "u32",
  parameters: readonly CallbackParameter[],
  fn: Parameters<Ffi["callback"]>[2],
): NativeCallback {
  const unsigned = parameters.map((type) => type === "u64" || type === "usize" || type === "pointer");
  const convert = unsigned.includes(true);
  const called = (...args: CallbackArgument[]) => {
    if (!convert) return fn(...args);
    // koffi gives 64 bits without a sign as if they had one.
    return fn(...args.map((arg, i) => (unsigned[i] ? withoutSign(arg, parameters[i] === "pointer") : arg)));
  };
  let pointer: bigint;
  try {
    pointer = koffi.register(called, pointerTo(koffi, result, parameters));
  } catch (cause) {
    // koffi has 8,192 slots in a process.
    throw new DcoError("busy", `no more callbacks: ${(cause as Error).message}`, { cause });
  }
  let closed = false;
  return {
    get pointer() {
      if (closed) throw new DcoError("closed", "the callback is closed");
      return pointer;
    },
    close() {
      if (closed) return;
      closed = true;
      koffi.unregister(pointer);
    },
  };
}

/** The type "pointer to such a function". */
function pointerTo(
  koffi: KoffiModule,
  result: "void" | "i32" | "u32",
  parameters: readonly CallbackParameter[],
) {
  const key = `${result}(${parameters.join()})`;
  let type = pointers.get(key);
  if (!type) {
    type = koffi.pointer(koffi.proto(null, koffiType(result), parameters.map(koffiType)));
    pointers.set(key, type);
  }
  return type;
}

function withoutSign(value: CallbackArgument, big: boolean): CallbackArgument {
  if (big || value < 0) return BigInt.asUintN(64, BigInt(value));
  return value;
}
