/**
 * A TUN device of Linux: a network interface whose packets this process reads and writes, one in each call.
 *
 * It is not persistent: the kernel deletes it when its descriptor is closed, however this process ends.
 */
import { DcoError } from "../../core/errors.ts";
import type { FdWatcher, Ffi } from "../../ffi/index.ts";
import type { Posix } from "../../ffi/posix.ts";

const DEVICE = "/dev/net/tun";
const O_RDWR_NONBLOCK = 0x802;

/** linux/if_tun.h. */
const TUNSETIFF = 0x400454ca;
const TUNSETCARRIER = 0x400454e2;
/** IFF_TUN, IFF_NO_PI, IFF_TUN_EXCL: IP packets without anything in front, and a new device or none. */
const FLAGS = 0x1 | 0x1000 | 0x8000;

/** struct ifreq: the name, then a union that begins with the flags. */
const IFREQ_BYTES = 40;
const IFREQ_FLAGS = 16;

const EAGAIN = 11;

/** The largest packet. */
const PACKET_BYTES = 65536;

/** Packets read before the event loop gets a turn. */
const BATCH = 64;

/** What is to be opened, to say so. */
const MISSING = `${DEVICE} is not there: the kernel's module tun is not loaded (modprobe tun), or not for this container`;
const NO_ACCESS = `this process may not open ${DEVICE}`;

/** The right to make one. */
export const TUN_RIGHT =
  "a TUN device needs CAP_NET_ADMIN in the user namespace that its network namespace belongs to";

/** A device that is not yet read. Its first name is `name`. */
export class TunDevice {
  readonly #ffi: Ffi;
  readonly #posix: Posix;
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(PACKET_BYTES);
  #watcher: FdWatcher | undefined;
  #closed = false;

  private constructor(ffi: Ffi, posix: Posix, fd: number) {
    this.#ffi = ffi;
    this.#posix = posix;
    this.#fd = fd;
  }

  /**
   * Makes a device.
   *
   * @param within runs what opens it in the network namespace that it is to be in
   * Errors: `unavailable` (no TUN in this kernel or container), `permission`, `exists`.
   */
  static async create(
    ffi: Ffi,
    posix: Posix,
    within: <T>(body: () => T) => T,
    name: string,
  ): Promise<TunDevice> {
    const fd = within(() => open(posix));
    const request = Buffer.alloc(IFREQ_BYTES);
    request.write(name, "latin1");
    request.writeUInt16LE(FLAGS, IFREQ_FLAGS);
    try {
      // It waits for the lock that every change of the system's network takes: so not on the event loop.
      await posix.ioctlAsync(fd, TUNSETIFF, request);
      return new TunDevice(ffi, posix, fd);
    } catch (error) {
      posix.close(fd);
      throw explain(error, { permission: ["permission", TUN_RIGHT], busy: ["exists", `${name} is there`] });
    }
  }

  /**
   * Begins to read; it does not keep the process alive.
   *
   * @param onPacket gets a packet that is valid only during the call
   */
  start(onPacket: (packet: Buffer) => void): void {
    const read = () => {
      for (let n = 0; n < BATCH && !this.#closed; n++) {
        const size = this.#posix.read(this.#fd, this.#buffer);
        if (size === -EAGAIN) return;
        if (size <= 0) {
          // Somebody has deleted it, which is told elsewhere; the descriptor would be readable for ever.
          this.#watcher?.close();
          return;
        }
        onPacket(this.#buffer.subarray(0, size));
      }
    };
    this.#watcher = this.#ffi.watchReadable(this.#fd, read, { ref: false });
  }

  /** Gives a packet to the system; false if it does not take it, such as while the device is down. */
  write(packet: Uint8Array): boolean {
    return !this.#closed && this.#posix.write(this.#fd, packet) === packet.length;
  }

  /** Whether the device says that packets can go out. */
  setCarrier(up: boolean): void {
    if (this.#closed) return;
    const value = Buffer.alloc(4);
    value.writeInt32LE(up ? 1 : 0);
    this.#posix.ioctl(this.#fd, TUNSETCARRIER, value);
  }

  /** The device goes with it: off the event loop, since the kernel waits until nobody uses it. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watcher?.close();
    await this.#posix.closeAsync(this.#fd);
  }
}

function open(posix: Posix): number {
  try {
    return posix.open(DEVICE, O_RDWR_NONBLOCK);
  } catch (error) {
    throw explain(error, {
      // ENOENT, and ENODEV or ENXIO where the file is there but nothing is behind it.
      "not-found": ["unavailable", MISSING],
      permission: ["permission", NO_ACCESS],
    });
  }
}

/** Says what an error of the system's means here. */
function explain(
  error: unknown,
  meanings: { readonly [code: string]: readonly ["unavailable" | "permission" | "exists", string] },
): unknown {
  if (!DcoError.is(error)) return error;
  const meaning = meanings[error.code];
  if (meaning === undefined) return error;
  const { native } = error;
  const [code, problem] = meaning;
  return new DcoError(code, `${problem} [${native?.name}]`, { native, effect: "none", cause: error });
}
