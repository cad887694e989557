/**
 * A network stack of this machine, and what the backend has open in it: control sockets and the routing socket.
 *
 * A VNET jail has a stack of its own. What an ioctl is about is decided by the socket that it is made on, not by the
 * process: with sockets that were made in a jail, its interfaces can be managed from outside of it.
 */
import type { WireTracer } from "../core/trace.ts";
import { errnoError, errnoNumber } from "../ffi/errno.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { AF_INET, AF_INET6, SOCK_DGRAM } from "../sockets/socket-address.ts";
import { watch } from "../sockets/watch.ts";
import { type LinkMessage, readLinkMessages } from "./route-message.ts";

/** Makes sockets in another network stack than this process's, as a process inside of the jail can for it. */
export interface VnetSockets {
  /** As socket(2): non-blocking, with close-on-exec set. The descriptor becomes the driver's. */
  socket(domain: number, type: number, protocol: number): number;
  /**
   * As bind(2), of a socket of theirs, by a process inside: from outside the kernel does not see that an address is in
   * use. Without it addresses are bound from outside all the same.
   *
   * @param address a `sockaddr_in` or `sockaddr_in6`
   */
  bind?(fd: number, address: Uint8Array): void;
}

/** What all stacks have in common. */
export interface System {
  readonly ffi: Ffi;
  readonly posix: Posix;
  readonly tracer: WireTracer;
}

const PF_ROUTE = 17;
const SOCK_RAW = 3;

/** The largest routing message, with room to spare. */
const MESSAGE_BYTES = 4096;

/** Told of changes of links: which interface it may be about, or undefined if messages were lost. */
export type LinkListener = (message: LinkMessage | undefined) => void;

/** See the module's comment. */
export class Stack {
  readonly system: System;
  readonly #vnet: VnetSockets | undefined;
  readonly #control: number;
  #control6: number | undefined;
  #routes: number | undefined;
  readonly #listeners = new Set<LinkListener>();
  /** See `ioctl`. */
  readonly #pointedAt = new Set<Uint8Array>();
  #stopListening: (() => void) | undefined;
  users = 0;

  constructor(system: System, vnet: VnetSockets | undefined) {
    this.system = system;
    this.#vnet = vnet;
    this.#control = this.socket(AF_INET, SOCK_DGRAM, 0);
  }

  /** A socket in this stack. */
  readonly socket: Posix["socket"] = (domain, type, protocol) =>
    (this.#vnet ?? this.system.posix).socket(domain, type, protocol);

  /** Binds a socket of this stack. */
  readonly bind: Posix["bind"] = (fd, address) => {
    if (this.#vnet?.bind) this.#vnet.bind(fd, address);
    else this.system.posix.bind(fd, address);
  };

  /**
   * @param pointedAt bytes whose address is in the argument, where nobody reads them afterwards: a collector of garbage
   *   does not see an address, and would free them before the call
   */
  ioctl(request: number, argument: Uint8Array, pointedAt?: Uint8Array): void {
    if (pointedAt) this.#pointedAt.add(pointedAt);
    try {
      this.system.posix.ioctl(this.#control, request, argument);
    } finally {
      if (pointedAt) this.#pointedAt.delete(pointedAt);
    }
  }

  /** As `ioctl`, on a pool thread. */
  async ioctlAsync(request: number, argument: Uint8Array): Promise<void> {
    await this.system.posix.ioctlAsync(this.#control, request, argument);
  }

  /** As `ioctl`, for what is about IPv6 addresses. */
  ioctl6(request: number, argument: Uint8Array): void {
    this.#control6 ??= this.socket(AF_INET6, SOCK_DGRAM, 0);
    this.system.posix.ioctl(this.#control6, request, argument);
  }

  /** Writes a routing message. Errors: by errno, `exists`, `not-found` and `socket` (no way there) among them. */
  writeRoute(message: Uint8Array, target: string): void {
    const { posix } = this.system;
    this.#routes ??= this.socket(PF_ROUTE, SOCK_RAW, 0);
    const sent = posix.send(this.#routes, message, 0);
    // Nobody reads what comes, and what finds no room is dropped.
    if (sent < 0) throw errnoError(-sent, "route", target);
  }

  /** Writes a routing message and gives the answer to it, which the kernel has sent by then. */
  askRoute(message: Uint8Array, target: string, isAnswer: (answer: Buffer) => boolean): Buffer {
    const { posix } = this.system;
    const fd = this.socket(PF_ROUTE, SOCK_RAW, 0);
    try {
      const sent = posix.send(fd, message, 0);
      if (sent < 0) throw errnoError(-sent, "route", target);
      for (;;) {
        const buffer = Buffer.alloc(MESSAGE_BYTES);
        const size = posix.recv(fd, buffer, 0);
        if (size < 0) throw errnoError(-size, "route", target);
        const answer = buffer.subarray(0, size);
        if (isAnswer(answer)) return answer;
      }
    } finally {
      posix.close(fd);
    }
  }

  /** Follows the links of this stack; @returns what ends that */
  onLinks(listener: LinkListener): () => void {
    this.#stopListening ??= this.#listen();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#stopListening?.();
      this.#stopListening = undefined;
    };
  }

  close(): void {
    const { posix } = this.system;
    this.#listeners.clear();
    this.#stopListening?.();
    for (const fd of [this.#control, this.#control6, this.#routes]) if (fd !== undefined) posix.close(fd);
  }

  #listen(): () => void {
    const { ffi, posix } = this.system;
    const fd = this.socket(PF_ROUTE, SOCK_RAW, 0);
    const again = errnoNumber("EAGAIN") as number;
    const buffer = Buffer.alloc(MESSAGE_BYTES);
    const read = () => {
      for (;;) {
        const size = posix.recv(fd, buffer, 0);
        if (size === -again) return;
        const told = size < 0 ? [undefined] : readLinkMessages(buffer.subarray(0, size));
        for (const message of told) for (const listener of [...this.#listeners]) listener(message);
        if (size < 0) return;
      }
    };
    try {
      const watcher = watch(ffi, fd, read, { ref: false });
      return () => {
        watcher.close();
        posix.close(fd);
      };
    } catch (error) {
      posix.close(fd);
      throw error;
    }
  }
}

/** The stacks that a driver uses. */
export class Stacks {
  readonly #system: System;
  readonly #open = new Map<VnetSockets | undefined, Stack>();

  constructor(system: System) {
    this.#system = system;
  }

  /** Opens, or shares, a stack; every `acquire` wants a `release`. */
  acquire(vnet: VnetSockets | undefined): Stack {
    const stack = this.#open.get(vnet) ?? new Stack(this.#system, vnet);
    this.#open.set(vnet, stack);
    stack.users++;
    return stack;
  }

  release(stack: Stack): void {
    if (--stack.users > 0) return;
    for (const [vnet, open] of this.#open) if (open === stack) this.#open.delete(vnet);
    stack.close();
  }
}
