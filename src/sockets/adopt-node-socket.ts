/**
 * Connections that a `net.Socket` of Node has had so far.
 *
 * Node reads ahead, so between taking what it has read and stopping it nothing else may run: all of this is
 * synchronous. The connection goes on by a duplicate of the descriptor; Node closes its own, which ends nothing.
 */
import { fstatSync, readdirSync } from "node:fs";
import { DcoError } from "../core/errors.ts";
import { formatIp, parseIp, unmapIpv4 } from "../core/ip.ts";
import type { NodeSocket } from "../core/model.ts";
import type { Posix } from "../ffi/posix.ts";
import { boundTo, connectedTo } from "./socket-address.ts";

/** A connection of a `net.Socket`'s. */
export interface NodeConnection {
  /** A duplicate of its descriptor, the taker's to close. */
  readonly fd: number;
  /** Takes what Node has read, and the connection away from it. */
  detach(): Uint8Array;
}

/** Finds the connection of a `net.Socket`. Errors: `socket`, with what is wrong with it; it is as it was then. */
export function connectionOf(posix: Posix, socket: NodeSocket): NodeConnection {
  const problem = problemOf(socket);
  if (problem !== undefined) throw refuse(problem);
  const fd = posix.fcntlDup(descriptorOf(posix, socket));
  return {
    fd,
    detach() {
      const chunks: Uint8Array[] = [];
      while (socket.readableLength > 0) {
        const chunk = socket.read();
        if (!(chunk instanceof Uint8Array)) break;
        chunks.push(chunk);
      }
      socket.destroy();
      return Buffer.concat(chunks);
    },
  };
}

function refuse(problem: string): DcoError {
  return new DcoError("socket", `adopt.socket: ${problem}`, { field: "adopt.socket", effect: "none" });
}

/** Why bytes could be lost or read twice, if so. */
function problemOf(socket: NodeSocket): string | undefined {
  if ((socket as { encrypted?: unknown }).encrypted === true) {
    return "is a TLS socket; the net.Socket below it can be taken when TLS is over";
  }
  if (socket.destroyed) return "is closed";
  if (socket.connecting) return "is not connected yet";
  if (socket.readableEnded || socket.writableEnded) return "has ended";
  if (socket.readableEncoding) return "has an encoding set, so that its bytes cannot be had";
  for (const event of ["data", "readable"]) {
    if (socket.listenerCount(event) > 0)
      return `has a listener for ${event}, who would take bytes; remove it first`;
  }
  if (socket.writableLength > 0 || queuedBy(socket) > 0)
    return "has not yet written all; wait for its writes";
  return undefined;
}

/** What Node's own handle has; not documented, so only used where it is there. */
function handleOf(socket: NodeSocket): { fd?: unknown; writeQueueSize?: unknown } | null | undefined {
  return (socket as { _handle?: { fd?: unknown; writeQueueSize?: unknown } | null })._handle;
}

/** Bytes that were written to the handle by somebody else than the socket, such as its TLS. */
function queuedBy(socket: NodeSocket): number {
  const size = handleOf(socket)?.writeQueueSize;
  return typeof size === "number" ? size : 0;
}

/** The descriptor, by the addresses of both ends; what the handle says is tried first. */
function descriptorOf(posix: Posix, socket: NodeSocket): number {
  const local = addressOf(socket.localAddress, socket.localPort);
  const remote = addressOf(socket.remoteAddress, socket.remotePort);
  if (local === undefined || remote === undefined) throw refuse("is not a connected TCP socket");
  const isIt = (fd: number) => {
    try {
      const [here, there] = [boundTo(posix, fd), connectedTo(posix, fd)];
      return (
        addressOf(here?.address, here?.port) === local && addressOf(there?.address, there?.port) === remote
      );
    } catch {
      return false;
    }
  };
  const told = handleOf(socket)?.fd;
  if (typeof told === "number" && told >= 0 && isIt(told)) return told;
  const found = readdirSync("/proc/self/fd").map(Number).filter(isIt);
  // Two network namespaces may have the same addresses.
  if (new Set(found.map((fd) => fstatSync(fd).ino)).size !== 1) {
    throw refuse("cannot be found among the descriptors of this process; give it as adopt.fd");
  }
  return found[0] as number;
}

/** An address and port as one text that is the same for the same, without a zone. */
function addressOf(address: string | undefined, port: number | undefined): string | undefined {
  const bytes = address === undefined ? undefined : parseIp(address.replace(/%.*$/, ""));
  return bytes && `${formatIp(unmapIpv4(bytes))} ${port}`;
}
