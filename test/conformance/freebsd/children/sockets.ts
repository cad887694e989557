/**
 * A process in a jail that makes sockets for the one that started it, and hands them over.
 *
 * Descriptor 3 is a local socket. A request is of REQUEST_BYTES: three 32-bit numbers, domain, type and protocol of a
 * new socket; or a socket address, with the descriptor that is to be bound beside it. The answer is a 32-bit errno, with
 * the new descriptor beside it where one was wanted. Ends with the other side.
 */
import { DcoError } from "../../../../src/core/errors.ts";
import { loadFfi } from "../../../../src/ffi/index.ts";
import { createPosix } from "../../../../src/ffi/posix.ts";
import { createHandOver, REQUEST_BYTES } from "../hand-over.ts";

const CHANNEL = 3;

const ffi = loadFfi();
const posix = createPosix(ffi);
const { send, receive } = createHandOver(ffi);

for (;;) {
  const { bytes, fd: old } = receive(CHANNEL, REQUEST_BYTES);
  if (bytes.length < REQUEST_BYTES) break;
  const answer = Buffer.alloc(4);
  let made: number | undefined;
  try {
    if (old !== undefined) posix.bind(old, bytes.subarray(0, bytes[0]));
    else made = posix.socket(bytes.readInt32LE(0), bytes.readInt32LE(4), bytes.readInt32LE(8));
  } catch (error) {
    answer.writeInt32LE((DcoError.is(error) && error.native?.number) || 1, 0);
  }
  send(CHANNEL, answer, made);
  for (const fd of [old, made]) if (fd !== undefined) posix.close(fd);
}
