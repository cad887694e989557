/**
 * Handing descriptors from process to process over a local socket (SCM_RIGHTS), on FreeBSD.
 */
import type { Ffi } from "../../../src/ffi/index.ts";
import { THIS_PROCESS } from "../../../src/ffi/types.ts";

/**
 * What children/sockets.ts is asked: domain, type, protocol of a socket; or, with a descriptor beside it, its address
 * in the same room.
 */
export const REQUEST_BYTES = 28;

const AF_LOCAL = 1;
const SOCK_STREAM = 1;
const SOL_SOCKET = 0xffff;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000;
const FD_CLOEXEC = 1;
const F_SETFD = 2;

/** struct cmsghdr, padded to 16, and one descriptor. */
const CONTROL_BYTES = 24;
const CONTROL_LENGTH = 20;

/** What was received. */
export interface Received {
  /** Empty at the end. */
  readonly bytes: Buffer;
  readonly fd: number | undefined;
}

/** The calls; they wait. */
export interface HandOver {
  /** Both ends of a local socket; the second is not closed on exec. */
  pair(): [ours: number, theirs: number];
  send(channel: number, bytes: Uint8Array, fd: number | undefined): void;
  receive(channel: number, size: number): Received;
}

/** Binds the calls. */
export function createHandOver(ffi: Ffi): HandOver {
  const libc = ffi.library([THIS_PROCESS]);
  const socketpair = libc.func("socketpair", "i32", ["i32", "i32", "i32", "buffer"], { errno: true });
  const fcntl = libc.func("fcntl", "i32", ["i32", "i32", "i32"], { errno: true });
  const sendmsg = libc.func("sendmsg", "isize", ["i32", "buffer", "i32"], { errno: true });
  const recvmsg = libc.func("recvmsg", "isize", ["i32", "buffer", "i32"], { errno: true });

  // Used again and again, so that they are there when the kernel follows the addresses: a collector of garbage sees none.
  const iov = Buffer.alloc(16);
  const control = Buffer.alloc(CONTROL_BYTES);

  /** struct msghdr with one piece of data, which the caller has to keep, and with room for a descriptor. */
  const header = (data: Uint8Array, hasControl: boolean): Buffer => {
    iov.writeBigUInt64LE(ffi.addressOf(data), 0);
    iov.writeBigUInt64LE(BigInt(data.length), 8);
    const bytes = Buffer.alloc(48);
    bytes.writeBigUInt64LE(ffi.addressOf(iov), 16);
    bytes.writeInt32LE(1, 24);
    if (hasControl) {
      bytes.writeBigUInt64LE(ffi.addressOf(control), 32);
      bytes.writeUInt32LE(control.length, 40);
    }
    return bytes;
  };

  return {
    pair() {
      const fds = Buffer.alloc(8);
      const result = socketpair(AF_LOCAL, SOCK_STREAM, 0, fds);
      if (result < 0) throw new Error(`socketpair: ${result}`);
      const [ours, theirs] = [fds.readInt32LE(0), fds.readInt32LE(4)];
      fcntl(ours, F_SETFD, FD_CLOEXEC);
      return [ours, theirs];
    },
    send(channel, data, fd) {
      control.writeUInt32LE(CONTROL_LENGTH, 0);
      control.writeInt32LE(SOL_SOCKET, 4);
      control.writeInt32LE(SCM_RIGHTS, 8);
      control.writeInt32LE(fd ?? 0, 16);
      const sent = sendmsg(channel, header(data, fd !== undefined), 0);
      if (sent !== data.length) throw new Error(`sendmsg: ${sent}`);
    },
    receive(channel, size) {
      const data = Buffer.alloc(size);
      control.fill(0);
      const message = header(data, true);
      const received = recvmsg(channel, message, MSG_CMSG_CLOEXEC);
      if (received < 0) throw new Error(`recvmsg: ${received}`);
      const hasFd = message.readUInt32LE(40) >= CONTROL_LENGTH && control.readInt32LE(8) === SCM_RIGHTS;
      return { bytes: data.subarray(0, received), fd: hasFd ? control.readInt32LE(16) : undefined };
    },
  };
}
