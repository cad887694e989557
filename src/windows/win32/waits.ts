/**
 * Waiting for objects of the kernel without a thread of libuv's: the system's own pool waits, and calls back into the
 * event loop.
 *
 * koffi does not keep the process alive for a callback that may come: whoever waits for one holds a reference.
 */
import type { NativeCallback } from "../../ffi/index.ts";
import type { Kernel32 } from "./kernel32.ts";

/** No timer waits longer. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

/** Keeps the process alive as long as somebody holds it. */
export class KeepAlive {
  #holders = 0;
  #timer: NodeJS.Timeout | undefined;

  hold(): void {
    if (this.#holders++ > 0) return;
    this.#timer = setInterval(() => {}, LONGEST_TIMER_MS);
  }

  release(): void {
    if (--this.#holders > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** The waits of this thread of JavaScript. */
export class Waits {
  readonly kernel: Kernel32;
  readonly keepAlive = new KeepAlive();
  readonly #callback: NativeCallback;
  readonly #listeners = new Map<number, () => void>();
  #contexts = 0;

  constructor(kernel: Kernel32) {
    this.kernel = kernel;
    // WAITORTIMERCALLBACK: context, and whether it timed out, which no wait does. One for all, and for ever: a call
    // may be on its way at any time.
    this.#callback = kernel.ffi.callback("void", ["pointer", "u32"], (context) => {
      this.#listeners.get(Number(context))?.();
      return undefined;
    });
  }

  /** Calls `listener` whenever the object is signalled, for ever. It may be called for nothing. */
  watch(object: bigint, listener: () => void): void {
    const context = ++this.#contexts;
    this.#listeners.set(context, listener);
    this.kernel.registerWait(object, this.#callback.pointer, context, false);
  }

  /** Waits until the object is signalled, or for so long. @returns whether it was */
  async once(object: bigint, milliseconds: number): Promise<boolean> {
    const context = ++this.#contexts;
    let timer: NodeJS.Timeout | undefined;
    let wait: bigint | undefined;
    try {
      return await new Promise<boolean>((resolve) => {
        this.#listeners.set(context, () => resolve(true));
        timer = setTimeout(() => resolve(false), milliseconds);
        wait = this.kernel.registerWait(object, this.#callback.pointer, context, true);
      });
    } finally {
      clearTimeout(timer);
      this.#listeners.delete(context);
      if (wait !== undefined) this.kernel.unregisterWait(wait);
    }
  }
}
