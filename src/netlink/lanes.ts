/**
 * Requests in which the kernel takes long, off the event loop.
 *
 * Removing a peer makes the kernel wait for a grace period of 12 to 16 ms before it answers. These waits overlap when
 * they are made on sockets of their own, each by a thread: of the C library, else of libuv's pool.
 */
import { DcoError } from "../core/errors.ts";
import type { FamilyFormat } from "./formats.ts";
import type { Build, Decode, NetlinkSocket } from "./netlink-socket.ts";

/** Sockets, and threads of the C library. glibc has 20. */
export const LANES = 16;

/** Of libuv's pool of four one stays free. */
export const POOL_LANES = 3;

interface Task {
  run(socket: NetlinkSocket): Promise<void>;
  fail(error: DcoError): void;
}

/** A few request sockets, each of which does one request at a time on a thread. */
export class Lanes {
  readonly #open: () => NetlinkSocket;
  readonly #width: number;
  readonly #idle: NetlinkSocket[] = [];
  readonly #tasks: Task[] = [];
  #busy = 0;
  #closed = false;
  #drained: (() => void) | undefined;

  /**
   * @param open makes a socket; called for each lane when it is first needed
   * @param width how many there are at most
   */
  constructor(open: () => NetlinkSocket, width: number) {
    this.#open = open;
    this.#width = width;
  }

  /** See `NetlinkSocket.request`. Requests start in the order in which they were asked for. */
  request<T = never>(format: FamilyFormat, build: Build, decode?: Decode<T>): Promise<T[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new DcoError("closed", "the driver is closed", { effect: "none" }));
        return;
      }
      this.#tasks.push({
        run: (socket) => socket.requestAsync(format, build, decode).then(resolve, reject),
        fail: reject,
      });
      this.#next();
    });
  }

  /** Fails what waits, and waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const task of this.#tasks.splice(0)) {
      task.fail(new DcoError("closed", "the driver was closed", { effect: "none" }));
    }
    if (this.#busy > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    for (const socket of this.#idle.splice(0)) socket.close();
  }

  #next(): void {
    if (this.#tasks.length === 0 || this.#busy >= this.#width) return;
    const task = this.#tasks.shift() as Task;
    let socket: NetlinkSocket;
    try {
      socket = this.#idle.pop() ?? this.#open();
    } catch (error) {
      task.fail(error as DcoError);
      this.#next();
      return;
    }
    this.#busy++;
    void task.run(socket).finally(() => {
      this.#busy--;
      this.#idle.push(socket);
      if (this.#busy === 0) this.#drained?.();
      this.#next();
    });
  }
}
