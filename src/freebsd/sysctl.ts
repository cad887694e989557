/**
 * The C library's calls that only FreeBSD has: sysctl and the loading of kernel modules.
 */
import { errnoError } from "../ffi/errno.ts";
import type { Ffi } from "../ffi/index.ts";
import { THIS_PROCESS } from "../ffi/types.ts";

/** What is known of a process. */
export interface ProcessInfo {
  /** When it was started, in microseconds since 1970. */
  readonly start: bigint;
  /** It has ended, and its parent has not taken note yet. */
  readonly isZombie: boolean;
}

/** See the module's comment. */
export interface Sysctl {
  /** An integer; undefined where there is no such name. */
  readInt(name: string): number | undefined;
  /** A text; undefined where there is no such name. */
  readText(name: string): string | undefined;
  /** Undefined where there is no such process, or none that may be seen. */
  process(pid: number): ProcessInfo | undefined;
  /** Loads a kernel module; one that is there already is no error. Errors: `permission`, `not-found`. */
  loadModule(name: string): void;
}

const CTL_KERN = 1;
const KERN_PROC = 14;
const KERN_PROC_PID = 1;

/** struct kinfo_proc (sys/user.h), which does not change its size. */
const KINFO_PROC = 1088;
const KI_STRUCTSIZE = 0;
const KI_START = 336;
const KI_STAT = 388;
const SZOMB = 5;

const EEXIST = 17;
const TEXT_BYTES = 256;

/** Binds the calls. */
export function createSysctl(ffi: Ffi): Sysctl {
  const libc = ffi.library([THIS_PROCESS]);
  const byName = libc.func("sysctlbyname", "i32", ["string", "buffer", "buffer", "pointer", "usize"], {
    errno: true,
  });
  const byNumber = libc.func("sysctl", "i32", ["buffer", "u32", "buffer", "buffer", "pointer", "usize"], {
    errno: true,
  });
  const kldload = libc.func("kldload", "i32", ["string"], { errno: true });

  const read = (size: number, call: (bytes: Buffer, length: Buffer) => number): Buffer | undefined => {
    const bytes = Buffer.alloc(size);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(size), 0);
    return call(bytes, length) < 0 ? undefined : bytes.subarray(0, Number(length.readBigUInt64LE(0)));
  };
  const named = (name: string, size: number) =>
    read(size, (bytes, length) => byName(name, bytes, length, 0, 0));

  return {
    readInt(name) {
      const bytes = named(name, 4);
      return bytes?.length === 4 ? bytes.readInt32LE(0) : undefined;
    },
    readText: (name) => named(name, TEXT_BYTES)?.toString("utf8").replace(/\0.*$/s, ""),
    process(pid) {
      const mib = Buffer.alloc(16);
      [CTL_KERN, KERN_PROC, KERN_PROC_PID, pid].forEach((number, at) => {
        mib.writeInt32LE(number, at * 4);
      });
      const info = read(KINFO_PROC, (bytes, length) => byNumber(mib, 4, bytes, length, 0, 0));
      if (info?.length !== KINFO_PROC || info.readInt32LE(KI_STRUCTSIZE) !== KINFO_PROC) return undefined;
      const start = info.readBigInt64LE(KI_START) * 1_000_000n + info.readBigInt64LE(KI_START + 8);
      return { start, isZombie: info.readUInt8(KI_STAT) === SZOMB };
    },
    loadModule(name) {
      const result = kldload(name);
      if (result < 0 && result !== -EEXIST) throw errnoError(-result, "kldload", name);
    },
  };
}
