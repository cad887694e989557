/**
 * FreeBSD's `if_ovpn` and the userspace backend, each in jails of its own. The kernel's guard against replays is on.
 */
import type { Extras } from "../../../src/core/backend.ts";
import { WireTracer } from "../../../src/core/trace.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import { FreebsdBackend } from "../../../src/freebsd/backend.ts";
import { UserspaceBackend } from "../../../src/userspace/backend.ts";
import { openJailDatagrams } from "../freebsd/datagrams.ts";
import type { JailSockets } from "../freebsd/sockets.ts";
import { openFreebsdSites } from "../freebsd/subject.ts";
import { FreebsdWorld } from "../freebsd/world.ts";
import { MOST_UNDER_WAY_HERE } from "../linux/ping.ts";
import type { MixedPlatform } from "./platform.ts";
import { withUserspace } from "./world.ts";

/** What it pings is carried by this process. */
class KernelWorld extends FreebsdWorld {
  protected override readonly mostUnderWay = MOST_UNDER_WAY_HERE;
}

/** Fails with what is missing. */
export async function openMixedFreebsd(): Promise<MixedPlatform> {
  const { network, version, description, leftovers, close } = await openFreebsdSites(true);
  const World = withUserspace(KernelWorld);
  return {
    version,
    description: [...description, "the kernel's guard against replays is on"],
    sites: network.sites,
    backends: {
      async openKernel() {
        const ffi = loadFfi();
        return FreebsdBackend.open({ ffi, posix: createPosix(ffi), tracer: new WireTracer(undefined) });
      },
      siteOf: ({ vnet }: Extras) => vnet,
      openUserspace: (site, options) =>
        new UserspaceBackend({
          ...options,
          sockets: (request) => openJailDatagrams(site as JailSockets, request),
        }),
      userspaceCapabilities: new UserspaceBackend().capabilities,
    },
    makeWorld: (driver, parts) => new World(network, driver, parts.open).withParts(parts),
    async droppedAt(site, name) {
      return readErrors(await network.at(site).run(`netstat -I ${name} -n`));
    },
    leftovers,
    close,
  };
}

/** Both directions: the kernel books a replayed packet as one that was not sent. */
function readErrors(table: string): number {
  const [names = [], link = []] = table.split("\n").map((line) => line.trim().split(/\s+/));
  // The name of the link's own row may touch nothing, and it has no address: counted from the end it fits.
  const column = (name: string) => Number(link.at(names.indexOf(name) - names.length));
  return column("Ierrs") + column("Oerrs");
}
