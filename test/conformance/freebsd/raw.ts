/**
 * Descriptors and programs at a site that no SDK is to see: for cases about FreeBSD itself.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import { packSockaddr } from "../../../src/ffi/sockaddr.ts";
import { run } from "../linux/command.ts";
import type { Site, World } from "../world.ts";
import type { FreebsdSite } from "./network.ts";
import { program } from "./programs.ts";

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

/** Starts a program of `children/` at a site; gives its first line, and what kills it. */
export async function startAt(
  world: World,
  site: Site,
  name: string,
  order: unknown,
): Promise<{ readonly line: string; kill(): Promise<void> }> {
  const args = [(site as FreebsdSite).jail, process.execPath, program(name), JSON.stringify(order)];
  const child = spawn("jexec", args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  world.onClose(kill);
  const [line] = await Promise.race([once(child.stdout, "data"), ended]);
  return { line: String(line), kill };
}

/** Runs a program at a site; its output. */
export function runAt(site: Site, file: string, ...args: string[]): Promise<string> {
  return run("jexec", [(site as FreebsdSite).jail, file, ...args]);
}

/** Runs a program of `children/` at a site, to its end; the lines that it printed. */
export async function programAt(site: Site, name: string, order: unknown): Promise<string[]> {
  return (await runAt(site, process.execPath, program(name), JSON.stringify(order))).split("\n");
}

/** As `programAt`, in a jail that has this system's own network stack. */
export async function runJailed(name: string, order: unknown): Promise<string[]> {
  const jail = ["-c", "path=/", "ip4=inherit", "ip6=inherit"];
  const command = [`command=${process.execPath}`, program(name), JSON.stringify(order)];
  return (await run("jail", [...jail, ...command])).split("\n");
}

/** Takes an interface of a site to this system's own network stack; what is returned destroys it there. */
export async function takeOutside(site: Site, name: string): Promise<() => Promise<unknown>> {
  await run("ifconfig", [name, "-vnet", (site as FreebsdSite).jail]);
  return () => run("ifconfig", [name, "destroy"]);
}
