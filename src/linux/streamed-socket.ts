/**
 * A TCP socket that has a peer of the module `ovpn-dco-v2`: reading gives the control frames that the module has put
 * aside, as a stream; writing goes into the connection's stream, beside the frames that the module writes.
 */
import type { Posix } from "../ffi/posix.ts";
import { SO_MEMINFO, SO_RCVLOWAT, SOL_SOCKET } from "../sockets/socket-address.ts";

const MSG_OOB = 0x1;
const MSG_DONTWAIT = 0x40;
const EINVAL = 22;

/** Words of SO_MEMINFO (linux/sock_diag.h): the send buffer's size, and what is in it. */
const MEMINFO_SNDBUF = 3;
const MEMINFO_WMEM_QUEUED = 5;
const MEMINFO_WORDS = 9;

/** The kernel counts buffers with their headers. */
const TRUESIZE = 2;

const NOTHING = new Uint8Array(0);

/** See the module's comment. */
export class StreamedSocket {
  readonly #posix: Posix;
  readonly #fd: number;

  constructor(posix: Posix, fd: number) {
    this.#posix = posix;
    this.#fd = fd;
  }

  /**
   * After the attach: lets the module look at what came before. By itself it looks when the next segment comes; the
   * kernel tells it as well when the low water mark is set.
   */
  lookAgain(): void {
    this.#posix.setsockopt(this.#fd, SOL_SOCKET, SO_RCVLOWAT, 1);
  }

  /** Whether the module has the socket. It does not know of urgent data, of which a plain socket says EINVAL. */
  isHeld(): boolean {
    return this.#posix.recv(this.#fd, NOTHING, MSG_OOB | MSG_DONTWAIT) !== -EINVAL;
  }

  /**
   * Whether a frame is taken whole: after a part of one the module's own frames could come. One that is longer than
   * the buffer goes out when that is empty.
   */
  hasRoom(bytes: number): boolean {
    const words = Buffer.alloc(4 * MEMINFO_WORDS);
    this.#posix.getsockopt(this.#fd, SOL_SOCKET, SO_MEMINFO, words);
    const queued = words.readUInt32LE(4 * MEMINFO_WMEM_QUEUED);
    return queued === 0 || queued + TRUESIZE * bytes < words.readUInt32LE(4 * MEMINFO_SNDBUF) / 2;
  }
}
