/**
 * The native interface on ffi-rs, for Linux: calls, pool threads and pinned memory. What it lacks is in
 * README.md. It is not a dependency: whoever wants it installs it.
 */
import { DcoError, invalid } from "../core/errors.ts";
import { adaptFunction, type FfiRs, type LastErrno } from "./ffi-rs-function.ts";
import { allocatePinned } from "./pinned.ts";
import { checkRequest } from "./request.ts";
import type { Ffi, FfiFeatures, NativeFunction, NativeLibrary, NativeType } from "./types.ts";
import { THIS_PROCESS } from "./types.ts";
import { lacks } from "./unsupported.ts";

const FEATURES: FfiFeatures = {
  async: true,
  pinnedMemory: true,
  callbacks: false,
  foreignThreadCallbacks: false,
  fdWatcher: false,
  lastError: false,
};

/** ffi-rs calls a library by a key of the caller's choice. */
const key = (name: string): string => `dcokit:${name}`;

const RTLD_LAZY = 1;
const RTLD_NOLOAD = 4;

/** Wraps the ffi-rs module. */
export function createFfiRs(module: unknown): Ffi {
  if (process.platform !== "linux") {
    throw new DcoError("unavailable", `the ffi-rs adapter is for Linux, not ${process.platform}; use koffi`);
  }
  const ffiRs = module as FfiRs;
  const last: LastErrno = { errno: 0 };
  ffiRs.open({ library: key(THIS_PROCESS), path: "" });
  const find = symbolFinder(ffiRs);
  // memmove gives back its first argument.
  const parameters = ["buffer", "buffer", "usize"] as const;
  const address = libc(ffiRs, "memmove", parameters);
  const addressOf = (bytes: Uint8Array): bigint => (bytes.byteLength === 0 ? 0n : address(bytes, bytes, 0));
  const adaptLibrary = (name: string): NativeLibrary => {
    const has = find(name);
    return {
      has,
      func(symbol, result, parameters, options = {}) {
        const request = { symbol, result, parameters, errno: options.errno === true };
        checkRequest(request);
        if (!has(symbol)) {
          throw new DcoError("unavailable", `${name || "this process"} has no function ${symbol}`, {
            target: symbol,
          });
        }
        return adaptFunction(ffiRs, last, key(name), request);
      },
    };
  };
  return {
    name: "ffi-rs",
    features: FEATURES,
    library(names) {
      if (names.length === 0) throw invalid("names", "must name a library");
      const problems: string[] = [];
      for (const name of names) {
        try {
          ffiRs.open({ library: key(name), path: name });
          return adaptLibrary(name);
        } catch (error) {
          problems.push((error as Error).message);
        }
      }
      throw new DcoError("unavailable", `no such library: ${problems.join("; ")}`, {
        target: names.join(", "),
      });
    },
    errno: () => last.errno,
    lastError() {
      throw lacks("ffi-rs", "lastError");
    },
    allocate: (size) => allocatePinned(size, addressOf),
    addressOf,
    callback() {
      throw lacks("ffi-rs", "callbacks");
    },
    watchReadable() {
      throw lacks("ffi-rs", "fdWatcher");
    },
  };
}

/** A function that gives an address, called by the adapter itself: not a call whose errno is asked for. */
function libc(ffiRs: FfiRs, symbol: string, parameters: readonly NativeType[]): NativeFunction<bigint> {
  const request = { symbol, result: "pointer", parameters, errno: false } as const;
  return adaptFunction(ffiRs, { errno: 0 }, key(THIS_PROCESS), request);
}

/** ffi-rs finds out that a symbol is missing when it calls it; dlsym tells before. */
function symbolFinder(ffiRs: FfiRs): (library: string) => (symbol: string) => boolean {
  const dlsym = libc(ffiRs, "dlsym", ["pointer", "string"]);
  const dlopen = libc(ffiRs, "dlopen", ["string", "i32"]);
  return (library) => {
    // RTLD_DEFAULT is 0 on Linux, in glibc and musl.
    const handle = library === THIS_PROCESS ? 0n : dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    return (symbol) => dlsym(handle, symbol) !== 0n;
  };
}
