/**
 * Descriptors and programs at a site that no SDK is to see: for cases about FreeBSD itself.
 */
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import { packSockaddr } from "../../../src/ffi/sockaddr.ts";
import { run } from "../linux/command.ts";
import type { Site, World } from "../world.ts";
import type { FreebsdSite } from "./network.ts";

/** `needs` of cases that only FreeBSD can be held to. */
export const FREEBSD_ONLY = {
  needs: () => (process.platform === "freebsd" ? undefined : "this is about if_ovpn of FreeBSD"),
};

/** A socket of a site with close-on-exec set, bound to an IPv4 address if one is given; the world closes it. */
export function openRaw(
  world: World,
  site: Site,
  kind: { domain: number; type: number; protocol?: number },
  address?: { address: string; port: number },
): number {
  const { sockets } = site as FreebsdSite;
  const posix = createPosix(loadFfi());
  const fd = sockets.socket(kind.domain, kind.type, kind.protocol ?? 0);
  world.onClose(() => posix.close(fd));
  if (address) sockets.bind(fd, packSockaddr(address));
  return fd;
}

/** Runs a program at a site; its output. */
export function runAt(site: Site, file: string, ...args: string[]): Promise<string> {
  return run("jexec", [(site as FreebsdSite).jail, file, ...args]);
}
