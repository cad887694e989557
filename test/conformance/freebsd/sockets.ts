/**
 * Sockets in a jail's network stack, made by a process that lives there.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { errnoError } from "../../../src/ffi/errno.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import type { VnetSockets } from "../../../src/freebsd/index.ts";
import { createHandOver, REQUEST_BYTES } from "./hand-over.ts";
import { program } from "./programs.ts";

/** See {@link VnetSockets}. */
export class JailSockets implements VnetSockets {
  readonly #process: ChildProcess;
  readonly #channel: number;
  readonly #handOver = createHandOver(loadFfi());
  readonly #posix = createPosix(loadFfi());

  constructor(jail: string) {
    const [ours, theirs] = this.#handOver.pair();
    this.#channel = ours;
    this.#process = spawn("jexec", [jail, process.execPath, program("sockets")], {
      stdio: ["ignore", "inherit", "inherit", theirs],
    });
    this.#process.unref();
    this.#posix.close(theirs);
  }

  socket(domain: number, type: number, protocol: number): number {
    const request = Buffer.alloc(REQUEST_BYTES);
    [domain, type, protocol].forEach((value, at) => {
      request.writeInt32LE(value, at * 4);
    });
    const { errno, fd } = this.#ask(request, undefined);
    if (fd === undefined) throw errnoError(errno, "socket", `domain ${domain}, type ${type}`);
    return fd;
  }

  bind(fd: number, address: Uint8Array): void {
    const request = Buffer.alloc(REQUEST_BYTES);
    request.set(address);
    const { errno } = this.#ask(request, fd);
    if (errno !== 0) throw errnoError(errno, "bind", `fd ${fd}`);
  }

  #ask(request: Buffer, given: number | undefined): { errno: number; fd: number | undefined } {
    this.#handOver.send(this.#channel, request, given);
    const { bytes, fd } = this.#handOver.receive(this.#channel, 4);
    if (bytes.length < 4) throw new Error("the process that makes sockets has ended");
    return { errno: bytes.readInt32LE(0), fd };
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("close", resolve));
    this.#posix.close(this.#channel);
    if (this.#process.exitCode === null && this.#process.signalCode === null) await ended;
  }
}
