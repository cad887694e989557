/**
 * Watching descriptors on koffi's handle for uv_poll, which is undocumented and sharp-edged:
 *
 * - its handle is garbage collected and goes silent: references are kept here until it is closed
 * - it aborts the process for a descriptor that libuv cannot watch, or watches already: so a duplicate is
 *   watched, after epoll was asked about it
 * - promises are not run after its callback (seen on Node 26): the work is done from setImmediate
 * - after an error on the socket (POLLERR) it has stopped: it is closed, and armed again after the reader
 *   has had its turn to take the error away
 */
import { fstatSync } from "node:fs";
import type * as Koffi from "koffi";
import { describeError, unsupported } from "../core/errors.ts";
import { closeAtExit, forgetAtExit } from "./at-exit.ts";
import { errnoError } from "./errno.ts";
import type { FdWatcher, Ffi, NativeFunction, WatchOptions } from "./types.ts";
import { THIS_PROCESS } from "./types.ts";

/** What koffi really calls back with: libuv's status first. */
type OnPoll = (status: number) => void;
type Poll = (fd: number, options: { readable: true }, callback: OnPoll) => Koffi.node.PollHandle;

const EPOLL_CLOEXEC = 0x80000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const LINUX_F_DUPFD_CLOEXEC = 1030;
const FREEBSD_F_DUPFD_CLOEXEC = 17;

/** The longest pause before a socket that keeps having an error is watched again. */
const LONGEST_PAUSE_MS = 64;

interface Descriptors {
  /** A duplicate that libuv can watch. */
  duplicate(fd: number): number;
  close(fd: number): void;
}

/** Makes `Ffi.watchReadable`. */
export function createWatch(
  koffi: typeof Koffi,
  ffi: Ffi,
): (fd: number, onReadable: () => void, options: WatchOptions) => FdWatcher {
  const poll = koffi.node.poll as unknown as Poll;
  const descriptors = createDescriptors(ffi);
  return (fd, onReadable, options) => new Watcher(poll, descriptors, fd, onReadable, options);
}

class Watcher implements FdWatcher {
  readonly #poll: Poll;
  readonly #descriptors: Descriptors;
  readonly #fd: number;
  readonly #onReadable: () => void;
  readonly #options: WatchOptions;
  #handle: Koffi.node.PollHandle | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Errors in a row. */
  #errors = 0;
  #closed = false;

  constructor(
    poll: Poll,
    descriptors: Descriptors,
    fd: number,
    onReadable: () => void,
    options: WatchOptions,
  ) {
    this.#poll = poll;
    this.#descriptors = descriptors;
    this.#fd = descriptors.duplicate(fd);
    this.#onReadable = onReadable;
    this.#options = options;
    // Which also keeps the handle referenced.
    closeAtExit(this);
    try {
      this.#arm();
    } catch (error) {
      this.close();
      throw describeError(error, "watchReadable");
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    forgetAtExit(this);
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    this.#disarm();
    this.#descriptors.close(this.#fd);
  }

  #arm(): void {
    const handle = this.#poll(this.#fd, { readable: true }, (status) => this.#onPoll(status));
    this.#handle = handle;
    if (this.#options.ref === false) handle.unref();
  }

  #disarm(): void {
    if (!this.#handle) return;
    this.#handle.close();
    this.#handle = undefined;
  }

  #onPoll(status: number): void {
    if (status < 0) {
      this.#errors++;
      this.#disarm();
    } else {
      this.#errors = 0;
    }
    this.#immediate ??= setImmediate(() => this.#drain());
  }

  #drain(): void {
    this.#immediate = undefined;
    try {
      this.#onReadable();
    } finally {
      if (!this.#closed && !this.#handle) this.#armSoon();
    }
  }

  /** At once after one error; with pauses while nobody takes the error away, not to spin. */
  #armSoon(): void {
    if (this.#errors <= 1) {
      this.#armAgain();
      return;
    }
    const pause = Math.min(LONGEST_PAUSE_MS, 2 ** (this.#errors - 2));
    this.#timer = setTimeout(() => this.#armAgain(), pause);
    if (this.#options.ref === false) this.#timer.unref();
  }

  #armAgain(): void {
    try {
      this.#arm();
    } catch (error) {
      this.close();
      this.#options.onError?.(describeError(error, "watchReadable"));
    }
  }
}

function createDescriptors(ffi: Ffi): Descriptors {
  const libc = ffi.library([THIS_PROCESS]);
  const linux = process.platform === "linux";
  const fcntl = libc.func("fcntl", "i32", ["i32", "i32", "i32"], { errno: true });
  const closeFd = libc.func("close", "i32", ["i32"]);
  const epoll = linux
    ? {
        create: libc.func("epoll_create1", "i32", ["i32"], { errno: true }),
        control: libc.func("epoll_ctl", "i32", ["i32", "i32", "i32", "buffer"], { errno: true }),
      }
    : undefined;
  const close = (fd: number): void => {
    closeFd(fd);
  };
  return {
    close,
    duplicate(fd) {
      const command = linux ? LINUX_F_DUPFD_CLOEXEC : FREEBSD_F_DUPFD_CLOEXEC;
      const copy = fcntl(fd, command, 0);
      if (copy < 0) throw errnoError(-copy, "watchReadable", `fd ${fd}`);
      try {
        if (epoll) askEpoll(epoll, close, copy, fd);
        else askKind(copy, fd);
      } catch (error) {
        close(copy);
        throw error;
      }
      return copy;
    },
  };
}

interface Epoll {
  readonly create: NativeFunction<number>;
  readonly control: NativeFunction<number>;
}

/** Adds the descriptor to an epoll of its own, as libuv is going to do with its. */
function askEpoll(epoll: Epoll, close: (fd: number) => void, copy: number, fd: number): void {
  const set = epoll.create(EPOLL_CLOEXEC);
  if (set < 0) throw errnoError(-set, "epoll_create1");
  // struct epoll_event: packed on x86-64 (12 bytes), 16 bytes elsewhere; events first in both.
  const event = Buffer.alloc(16);
  event.writeUInt32LE(EPOLLIN, 0);
  const result = epoll.control(set, EPOLL_CTL_ADD, copy, event);
  close(set);
  if (result === 0) return;
  const error = errnoError(-result, "epoll_ctl", `fd ${fd}`);
  // EPERM: it is a file or another thing that is always ready.
  if (error.native?.name !== "EPERM") throw error;
  throw cannotWatch(fd);
}

/** kqueue takes every socket and pipe; of devices some only. */
function askKind(copy: number, fd: number): void {
  const stat = fstatSync(copy);
  if (!stat.isSocket() && !stat.isFIFO()) throw cannotWatch(fd);
}

function cannotWatch(fd: number): Error {
  return unsupported("ffi.fdWatcher", `fd ${fd} is of a kind that cannot be watched`);
}
