/**
 * Callbacks on koffi.
 *
 * A call of an address that was given back to koffi crashes the process, and a native thread may call late.
 * So addresses are not given back: a closed one does nothing, and is used again when there are many.
 */
import type * as Koffi from "koffi";
import { DcoError } from "../core/errors.ts";
import { koffiType } from "./koffi-function.ts";
import type { CallbackArgument, CallbackParameter, Ffi, NativeCallback } from "./types.ts";

type KoffiModule = typeof Koffi;
type Callee = Parameters<Ffi["callback"]>[2];
type Result = "void" | "i32" | "u32";

/** A registered address, and what it calls now. */
interface Slot {
  pointer: bigint;
  callee: Callee | undefined;
}

/** Addresses of one signature. */
interface Signature {
  /** koffi keeps a type for ever, so there is one for each signature. */
  readonly type: Koffi.TypeObject;
  /** Closed, the longest first. */
  readonly closed: Slot[];
}

/** Closed addresses of one signature before the oldest is used again; koffi has 8,192 in a process. */
const RESTING = 64;

const signatures = new Map<string, Signature>();

/** See `Ffi.callback`. */
export function adaptCallback(
  koffi: KoffiModule,
  result: Result,
  parameters: readonly CallbackParameter[],
  fn: Callee,
): NativeCallback {
  const signature = signatureOf(koffi, result, parameters);
  const slot = takeSlot(koffi, signature, result, parameters);
  slot.callee = fn;
  let closed = false;
  return {
    get pointer() {
      if (closed) throw new DcoError("closed", "the callback is closed");
      return slot.pointer;
    },
    close() {
      if (closed) return;
      closed = true;
      slot.callee = undefined;
      signature.closed.push(slot);
    },
  };
}

function signatureOf(
  koffi: KoffiModule,
  result: Result,
  parameters: readonly CallbackParameter[],
): Signature {
  const key = `${result}(${parameters.join()})`;
  let signature = signatures.get(key);
  if (!signature) {
    const type = koffi.pointer(koffi.proto(null, koffiType(result), parameters.map(koffiType)));
    signature = { type, closed: [] };
    signatures.set(key, signature);
  }
  return signature;
}

function takeSlot(
  koffi: KoffiModule,
  { type, closed }: Signature,
  result: Result,
  parameters: readonly CallbackParameter[],
): Slot {
  if (closed.length > RESTING) return closed.shift() as Slot;
  try {
    return register(koffi, type, result, parameters);
  } catch (cause) {
    const slot = closed.shift();
    if (slot) return slot;
    throw new DcoError("busy", `no more callbacks: ${(cause as Error).message}`, { cause });
  }
}

function register(
  koffi: KoffiModule,
  type: Koffi.TypeObject,
  result: Result,
  parameters: readonly CallbackParameter[],
): Slot {
  const nothing = result === "void" ? undefined : 0;
  const slot: Slot = { pointer: 0n, callee: undefined };
  const called = (...args: CallbackArgument[]): number | undefined => {
    if (!slot.callee) return nothing;
    for (const [i, type] of parameters.entries()) args[i] = asDeclared(args[i] as CallbackArgument, type);
    return slot.callee(...args);
  };
  slot.pointer = koffi.register(called, type);
  return slot;
}

/** koffi gives 64 bits without a sign as if they had one. */
function asDeclared(value: CallbackArgument, type: CallbackParameter): CallbackArgument {
  if (type === "pointer") return BigInt.asUintN(64, BigInt(value));
  if (value < 0 && (type === "u64" || type === "usize")) return BigInt.asUintN(64, BigInt(value));
  return value;
}
