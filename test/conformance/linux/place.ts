/**
 * Where a socket is made that is not the SDK's: in a network namespace, or in that of this process.
 */
import type { Posix } from "../../../src/ffi/posix.ts";
import { inNamespace, openNamespace } from "../../../src/netlink/namespace.ts";
import type { Site } from "../world.ts";

/** A site, and its network namespace. */
export interface Place extends Pick<Site, "ipv4" | "ipv6"> {
  /** Undefined: that of this process. */
  readonly namespace?: string;
}

/** Runs something synchronous there. */
export function atPlace<T>(posix: Posix, { namespace }: Place, body: () => T): T {
  const opened = openNamespace(posix, namespace);
  try {
    return inNamespace(posix, opened, body);
  } finally {
    if (opened.fd !== undefined) posix.close(opened.fd);
  }
}
