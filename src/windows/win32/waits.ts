/**
 * Waiting for the kernel without a thread of libuv's: the system's own pool waits, and calls back into the event loop.
 *
 * All requests share one event, for which one wait is registered, so that one callback at most is on its way: with
 * hundreds of threads that call at the same time koffi 3.3 lets some of them run JavaScript themselves, which ends the
 * process. What is waited for is looked at whenever the event was set.
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
  /** For OVERLAPPED: goes back to unsignalled when it was seen, and when another request is begun. */
  readonly event: bigint;
  readonly #callback: NativeCallback;
  readonly #looks = new Set<() => void>();
  #isLookingSoon = false;
  #registered: bigint | undefined;

  constructor(kernel: Kernel32) {
    this.kernel = kernel;
    this.event = kernel.createEvent();
    // WAITORTIMERCALLBACK: context, and whether it timed out, which it does not.
    this.#callback = kernel.ffi.callback("void", ["pointer", "u32"], () => {
      this.#wait();
      this.#look();
      return undefined;
    });
    this.#wait();
  }

  /** Calls `look` when the event was set, until it is removed. It may be called for nothing. */
  add(look: () => void): void {
    this.#looks.add(look);
  }

  remove(look: () => void): void {
    this.#looks.delete(look);
  }

  /** A request was begun: that has unset the event, which may have been set for another before. */
  begun(): void {
    if (this.#isLookingSoon || this.#looks.size === 0) return;
    this.#isLookingSoon = true;
    setImmediate(() => {
      this.#isLookingSoon = false;
      this.#look();
    });
  }

  /** Waits until the object is signalled, which it stays, or for so long. @returns whether it was */
  async once(object: bigint, milliseconds: number): Promise<boolean> {
    const { kernel } = this;
    // The system's pool sets the event, by the function itself.
    const wait = kernel.registerWait(object, kernel.setEventAddress, this.event, true);
    let timer: NodeJS.Timeout | undefined;
    let look = () => {};
    try {
      return await new Promise<boolean>((resolve) => {
        look = () => {
          if (kernel.isSignalled(object)) resolve(true);
        };
        this.add(look);
        timer = setTimeout(() => resolve(kernel.isSignalled(object)), milliseconds);
        look();
      });
    } finally {
      clearTimeout(timer);
      this.remove(look);
      kernel.unregisterWait(wait);
    }
  }

  /** Once at a time: a wait that stays would call back again while a call is on its way. */
  #wait(): void {
    const { kernel, event } = this;
    if (this.#registered !== undefined) kernel.unregisterWait(this.#registered);
    this.#registered = kernel.registerWait(event, this.#callback.pointer, 0n, true);
  }

  #look(): void {
    for (const look of [...this.#looks]) look();
  }
}
