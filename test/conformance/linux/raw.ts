/**
 * Descriptors and programs at a site that no SDK is to see: for cases about Linux itself.
 */

import type { Capabilities } from "../../../src/core/capabilities.ts";
import { parseIp } from "../../../src/core/ip.ts";
import { type Ffi, loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import { packSockaddrBytes } from "../../../src/ffi/sockaddr.ts";
import { THIS_PROCESS } from "../../../src/ffi/types.ts";
import { inNamespace, openNamespace } from "../../../src/netlink/namespace.ts";
import type { Site, World } from "../world.ts";
import { run } from "./command.ts";
import type { LinuxSite } from "./network.ts";

/** `needs` of cases that only Linux can be held to. */
export const LINUX_ONLY = {
  needs: ({ namespaces }: { readonly namespaces: boolean }) =>
    namespaces ? undefined : "this is about network namespaces and sockets of Linux",
};

/** `needs` of cases about interfaces and routes of Linux, whoever moves the packets. */
export const LINUX_INTERFACES = {
  needs: ({ namespaces, tunDevice, systemInterface }: Capabilities) =>
    systemInterface && (namespaces || tunDevice) ? undefined : "this is about interfaces and routes of Linux",
};

/** The name of the network namespace that a site is. */
export function namespaceOf(site: Site): string {
  return (site as LinuxSite).namespace;
}

/** The kind that the driver's interfaces have to the system's own programs. */
export function kindOf({ driver }: Pick<World, "driver">): string {
  return driver.info.backend === "linux-legacy" ? "ovpn-dco" : "ovpn";
}

/** Runs `ip` at a site; its output. */
export function ip(site: Site, ...args: string[]): Promise<string> {
  return run("ip", ["-n", namespaceOf(site), ...args]);
}

/** The names of the interfaces of a kind at a site. */
export async function interfacesOf(site: Site, kind: string): Promise<string[]> {
  const output = await ip(site, "-j", "link", "show", "type", kind);
  // iproute2 prints nothing at all, or empty objects for what the filter left out.
  const links = JSON.parse(output || "[]") as { ifname?: string }[];
  return links.flatMap(({ ifname }) => (ifname === undefined ? [] : [ifname])).sort();
}

/** Makes and changes descriptors of this process; the world closes them. */
export class Descriptors {
  readonly #world: World;
  readonly #ffi: Ffi = loadFfi();
  readonly #posix = createPosix(this.#ffi);

  constructor(world: World) {
    this.#world = world;
  }

  /** A socket with close-on-exec set, in a site's namespace. */
  socket(site: Site, domain: number, type: number, protocol = 0): number {
    const namespace = openNamespace(this.#posix, namespaceOf(site));
    try {
      return this.#keep(
        inNamespace(this.#posix, namespace, () => this.#posix.socket(domain, type, protocol)),
      );
    } finally {
      if (namespace.fd !== undefined) this.#posix.close(namespace.fd);
    }
  }

  /** As `socket`; undefined where the kernel has no such sockets. */
  trySocket(site: Site, domain: number, type: number, protocol: number): number | undefined {
    try {
      return this.socket(site, domain, type, protocol);
    } catch {
      return undefined;
    }
  }

  bind(fd: number, address: string, port: number): void {
    this.#posix.bind(fd, packSockaddrBytes(parseIp(address) as Uint8Array, port));
  }

  listen(fd: number, backlog: number): void {
    this.#posix.listen(fd, backlog);
  }

  setOption(fd: number, level: number, option: number, value: number): void {
    this.#posix.setsockopt(fd, level, option, value);
  }

  open(path: string): number {
    return this.#keep(this.#posix.open(path, 0));
  }

  /** A descriptor of this process itself: pidfd_open(2). */
  ofThisProcess(): number {
    const open = this.#ffi.library([THIS_PROCESS]).func("pidfd_open", "i32", ["i32", "u32"], { errno: true });
    return this.#keep(open(process.pid, 0));
  }

  /** A duplicate that a program started by this process would get: dup(2) does not set close-on-exec. */
  inheritable(fd: number): number {
    const dup = this.#ffi.library([THIS_PROCESS]).func("dup", "i32", ["i32"], { errno: true });
    return this.#keep(dup(fd));
  }

  isOpen(fd: number): boolean {
    try {
      this.#posix.fcntlGetFd(fd);
      return true;
    } catch {
      return false;
    }
  }

  #keep(fd: number): number {
    // What a case shows to be closed by the SDK is not kept here.
    this.#world.onClose(() => this.#posix.closeAsync(fd));
    return fd;
  }
}
