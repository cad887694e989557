/**
 * What the backend asks Windows about itself: rights, processes, ciphers.
 */
import type { Ffi } from "../../ffi/index.ts";
import { lazily, wide } from "./kernel32.ts";

const TOKEN_QUERY = 8;
const TOKEN_ELEVATION = 20;
const PROCESS_QUERY_LIMITED_INFORMATION = 0x1000;
const STILL_ACTIVE = 259;
/** GetCurrentProcess. */
const THIS_PROCESS_HANDLE = 0xffff_ffff_ffff_ffffn;

/** See the module's comment. */
export interface WindowsSystem {
  /** Whether this process may make adapters and set addresses. */
  isElevated(): boolean;
  /** Whether the system's cryptography, and so the driver, has the cipher. */
  hasChaCha20(): boolean;
  /** When a process was started, in 100 ns since 1601; undefined where there is none, or none that may be seen. */
  processStart(pid: number): bigint | undefined;
  /** Whether a process of this id is there, though its start may not be seen. */
  isForeignProcess(pid: number): boolean;
}

export function createSystem(ffi: Ffi): WindowsSystem {
  const kernel = lazily(ffi, "kernel32.dll");
  const advapi = lazily(ffi, "advapi32.dll");
  const bcrypt = lazily(ffi, "bcrypt.dll");
  const closeHandle = kernel("CloseHandle", "i32", ["pointer"]);
  const openProcess = kernel("OpenProcess", "pointer", ["u32", "i32", "u32"]);
  const processTimes = kernel("GetProcessTimes", "i32", ["pointer", "buffer", "buffer", "buffer", "buffer"]);
  const exitCode = kernel("GetExitCodeProcess", "i32", ["pointer", "buffer"]);
  const openToken = advapi("OpenProcessToken", "i32", ["pointer", "u32", "buffer"]);
  const tokenInformation = advapi("GetTokenInformation", "i32", [
    "pointer",
    "u32",
    "buffer",
    "u32",
    "buffer",
  ]);
  const openAlgorithm = bcrypt("BCryptOpenAlgorithmProvider", "u32", ["buffer", "buffer", "pointer", "u32"]);
  const closeAlgorithm = bcrypt("BCryptCloseAlgorithmProvider", "u32", ["pointer", "u32"]);

  const ERROR_ACCESS_DENIED = 5;

  return {
    isElevated() {
      const token = Buffer.alloc(8);
      if (openToken(THIS_PROCESS_HANDLE, TOKEN_QUERY, token) === 0) return false;
      const handle = token.readBigUInt64LE(0);
      const answer = Buffer.alloc(4);
      const got = tokenInformation(handle, TOKEN_ELEVATION, answer, answer.length, Buffer.alloc(4));
      closeHandle(handle);
      return got !== 0 && answer.readUInt32LE(0) !== 0;
    },
    hasChaCha20() {
      const algorithm = Buffer.alloc(8);
      if (openAlgorithm(algorithm, wide("CHACHA20_POLY1305"), 0, 0) !== 0) return false;
      closeAlgorithm(algorithm.readBigUInt64LE(0), 0);
      return true;
    },
    processStart(pid) {
      const handle = openProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid);
      if (handle === 0n) return undefined;
      try {
        // Somebody may hold the handle of one that has ended.
        const code = Buffer.alloc(4);
        if (exitCode(handle, code) !== 0 && code.readUInt32LE(0) !== STILL_ACTIVE) return undefined;
        const created = Buffer.alloc(8);
        const other = () => Buffer.alloc(8);
        if (processTimes(handle, created, other(), other(), other()) === 0) return undefined;
        return created.readBigUInt64LE(0);
      } finally {
        closeHandle(handle);
      }
    },
    isForeignProcess(pid) {
      const handle = openProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid);
      if (handle === 0n) return ffi.lastError() === ERROR_ACCESS_DENIED;
      closeHandle(handle);
      return false;
    },
  };
}
