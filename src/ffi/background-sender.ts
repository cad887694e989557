/**
 * Sends that wait inside the kernel, on threads of the C library: POSIX asynchronous I/O.
 *
 * libuv's pool has four threads, which file access and name lookups need too. glibc starts up to 20 threads of its
 * own for this, musl one for each request; they are small, know nothing of JavaScript, end after a second without
 * work, and do not keep the process from exiting. A netlink socket takes `write` as it takes `send`.
 */
import { errnoNumber } from "./errno.ts";
import type { Ffi, NativeLibrary } from "./types.ts";
import { THIS_PROCESS } from "./types.ts";

/** See the module's comment. */
export interface BackgroundSender {
  /**
   * Writes to a socket. One at a time for each descriptor.
   *
   * @returns bytes, or `-errno`; undefined if it cannot be done now, and nothing was tried
   */
  send(fd: number, bytes: Uint8Array): Promise<number> | undefined;
}

/** struct aiocb of 64-bit Linux, in glibc and in musl alike. */
const AIOCB = { size: 168, fd: 0, buffer: 16, length: 24, notify: 44 };
const SIGEV_NONE = 1;

/** Milliseconds between two looks at what is under way; there is no wake-up that the event loop could wait for. */
const LOOK_MS = 1;

interface UnderWay {
  readonly block: bigint;
  readonly size: number;
  readonly settle: (result: number) => void;
}

/** Undefined where the C library has no such threads, or its structure is not known. */
export function createBackgroundSender(ffi: Ffi): BackgroundSender | undefined {
  const known = process.platform === "linux" && ["x64", "arm64"].includes(process.arch);
  const library = known ? find(ffi) : undefined;
  return library && new AioSender(ffi.library([THIS_PROCESS]), library);
}

/** Before glibc 2.34 it is in a library of its own. */
function find(ffi: Ffi): NativeLibrary | undefined {
  for (const name of [THIS_PROCESS, "librt.so.1"]) {
    try {
      const library = ffi.library([name]);
      if (library.has("aio_write")) return library;
    } catch {
      // There is none of this name.
    }
  }
  return undefined;
}

class AioSender implements BackgroundSender {
  readonly #calloc;
  readonly #memcpy;
  readonly #memset;
  readonly #free;
  readonly #aioWrite;
  readonly #aioError;
  readonly #aioReturn;
  readonly #inProgress = errnoNumber("EINPROGRESS", "linux") as number;
  #underWay: UnderWay[] = [];

  constructor(libc: NativeLibrary, library: NativeLibrary) {
    this.#calloc = libc.func("calloc", "pointer", ["usize", "usize"]);
    this.#memcpy = libc.func("memcpy", "pointer", ["pointer", "buffer", "usize"]);
    this.#memset = libc.func("memset", "pointer", ["pointer", "i32", "usize"]);
    this.#free = libc.func("free", "void", ["pointer"]);
    this.#aioWrite = library.func("aio_write", "i32", ["pointer"]);
    this.#aioError = library.func("aio_error", "i32", ["pointer"]);
    this.#aioReturn = library.func("aio_return", "isize", ["pointer"]);
  }

  send(fd: number, bytes: Uint8Array): Promise<number> | undefined {
    const size = AIOCB.size + bytes.length;
    // Not JavaScript's memory: if the process exits meanwhile, that goes before the threads do.
    const block = this.#calloc(1, size);
    if (block === 0n) return undefined;
    const content = Buffer.alloc(size);
    content.writeInt32LE(fd, AIOCB.fd);
    content.writeBigUInt64LE(block + BigInt(AIOCB.size), AIOCB.buffer);
    content.writeBigUInt64LE(BigInt(bytes.length), AIOCB.length);
    content.writeInt32LE(SIGEV_NONE, AIOCB.notify);
    content.set(bytes, AIOCB.size);
    this.#memcpy(block, content, size);
    // It may hold a key.
    content.fill(0);
    if (this.#aioWrite(block) !== 0) {
      this.#release(block, size);
      return undefined;
    }
    return new Promise((settle) => {
      this.#underWay.push({ block, size, settle });
      if (this.#underWay.length === 1) setTimeout(this.#look, LOOK_MS);
    });
  }

  readonly #look = (): void => {
    const before = this.#underWay;
    this.#underWay = before.filter(({ block }) => this.#aioError(block) === this.#inProgress);
    if (this.#underWay.length > 0) setTimeout(this.#look, LOOK_MS);
    const still = new Set(this.#underWay);
    for (const each of before) {
      if (still.has(each)) continue;
      const problem = this.#aioError(each.block);
      const result = this.#aioReturn(each.block);
      this.#release(each.block, each.size);
      each.settle(problem === 0 ? result : -problem);
    }
  };

  #release(block: bigint, size: number): void {
    this.#memset(block, 0, size);
    this.#free(block);
  }
}
