/**
 * TCP connections of the caller's, as sockets of Node's.
 */
import { Socket } from "node:net";
import type { OpenTransportRequest } from "../core/backend.ts";
import { unsupported } from "../core/errors.ts";
import { connectionOf } from "../sockets/adopt-node-socket.ts";
import { adoptSocket } from "../sockets/adopt-socket.ts";
import { SO_RCVLOWAT, SOL_SOCKET } from "../sockets/socket-address.ts";
import { loadNative } from "./native.ts";

/** A connection that was the caller's. */
export interface Adopted {
  /** Not yet read; first it gives what the caller had read. */
  readonly socket: Socket;
  /** The caller goes on with it afterwards, so it must not be ended. */
  readonly kept: boolean;
}

/** Takes over, or duplicates, a connection. Errors: `socket`, with what is wrong with it; it is as it was then. */
export function adoptConnection({ adopt, adoptNode, head }: OpenTransportRequest): Adopted {
  const native = loadNative();
  if (native === undefined) throw unsupported("adoptSocket", "there are no native calls here");
  const { posix } = native;
  const node = adoptNode && connectionOf(posix, adoptNode);
  const fd = node?.fd ?? adoptSocket(posix, adopt as NonNullable<typeof adopt>, "tcp");
  const kept = adopt?.ownership === "keep";
  let socket: Socket;
  try {
    // Somebody may have set it.
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
    socket = new Socket({ fd, allowHalfOpen: kept, pauseOnCreate: true } as SocketOptions);
  } catch (error) {
    // A socket that was to be taken stays the caller's.
    if (adopt?.ownership !== "take") posix.close(fd);
    throw error;
  }
  socket.setNoDelay(true);
  // Last, because a socket whose adoption fails stays as it was.
  const read = [head, node?.detach()].filter((bytes) => bytes !== undefined && bytes.length > 0);
  if (read.length > 0) socket.unshift(Buffer.concat(read as Uint8Array[]));
  return { socket, kept };
}

/** Of which the types of Node 22 know less than it does. */
type SocketOptions = ConstructorParameters<typeof Socket>[0];
