/**
 * The native interface on koffi.
 *
 * A function without `errno` and with a plain integer result is koffi's own function: the seam costs nothing.
 */

import { isMainThread } from "node:worker_threads";
import type * as Koffi from "koffi";
import { DcoError, invalid } from "../core/errors.ts";
import { keepKoffiLoaded } from "./keep-loaded.ts";
import { adaptCallback } from "./koffi-callback.ts";
import { adaptFunction } from "./koffi-function.ts";
import { createWatch } from "./koffi-watcher.ts";
import { allocatePinned } from "./pinned.ts";
import { checkRequest } from "./request.ts";
import type { Ffi, FfiFeatures, NativeLibrary } from "./types.ts";
import { THIS_PROCESS } from "./types.ts";
import { lacks } from "./unsupported.ts";

type KoffiModule = typeof Koffi;

/** Wraps the koffi module. */
export function createKoffi(module: unknown): Ffi {
  const koffi = module as KoffiModule;
  const windows = process.platform === "win32";
  const features: FfiFeatures = {
    async: true,
    pinnedMemory: true,
    callbacks: true,
    foreignThreadCallbacks: true,
    // koffi's watcher is libuv's, which Bun does not have (it panics); on Windows sockets are the driver's.
    fdWatcher: !windows && !("bun" in process.versions),
    lastError: windows,
  };
  const addressOf = (bytes: Uint8Array): bigint => (bytes.byteLength === 0 ? 0n : koffi.address(bytes));
  const library = (names: readonly string[]): NativeLibrary => loadLibrary(koffi, names);
  let getLastError: (() => number) | undefined;
  let watch: Ffi["watchReadable"] | undefined;
  const ffi: Ffi = {
    name: "koffi",
    features,
    library,
    errno: () => koffi.errno(),
    lastError() {
      if (!features.lastError) throw lacks("koffi", "lastError");
      // koffi keeps the thread's last error across its own work, so this is that of the call before.
      getLastError ??= library(["kernel32.dll"]).func("GetLastError", "u32", []);
      return getLastError();
    },
    allocate: (size) => allocatePinned(size, addressOf),
    addressOf,
    callback: (result, parameters, fn) => adaptCallback(koffi, result, parameters, fn),
    watchReadable(fd, onReadable, options = {}) {
      if (!features.fdWatcher) throw lacks("koffi", "fdWatcher");
      if (!watch) {
        if (!isMainThread) keepKoffiLoaded(ffi);
        watch = createWatch(koffi, ffi);
      }
      return watch(fd, onReadable, options);
    },
  };
  return ffi;
}

function loadLibrary(koffi: KoffiModule, names: readonly string[]): NativeLibrary {
  if (names.length === 0) throw invalid("names", "must name a library");
  const problems: string[] = [];
  for (const name of names) {
    try {
      const handle = koffi.load(name === THIS_PROCESS ? null : name);
      return adaptLibrary(koffi, handle, name === THIS_PROCESS ? "this process" : name);
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new DcoError("unavailable", `no such library: ${problems.join("; ")}`, { target: names.join(", ") });
}

function adaptLibrary(koffi: KoffiModule, handle: Koffi.LibraryHandle, name: string): NativeLibrary {
  const has = (symbol: string): boolean => {
    try {
      handle.symbol(symbol);
      return true;
    } catch {
      return false;
    }
  };
  return {
    has,
    func(symbol, result, parameters, options = {}) {
      const request = { symbol, result, parameters, errno: options.errno === true };
      checkRequest(request);
      if (!has(symbol)) {
        throw new DcoError("unavailable", `${name} has no function ${symbol}`, { target: symbol });
      }
      return adaptFunction(koffi, handle, request);
    },
  };
}
