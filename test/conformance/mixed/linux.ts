/**
 * Linux' `ovpn` and the userspace backend, each in network namespaces of its own.
 */
import type { TransportProtocol } from "../../../src/core/model.ts";
import { WireTracer } from "../../../src/core/trace.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import { LinuxBackend } from "../../../src/linux/backend.ts";
import { userspaceCapabilities } from "../../../src/userspace/capabilities.ts";
import { Network } from "../linux/network.ts";
import { MOST_UNDER_WAY_HERE } from "../linux/ping.ts";
import { openLinuxSubject } from "../linux/subject.ts";
import { LinuxWorld } from "../linux/world.ts";
import { type Device, PlacedBackend } from "./placed.ts";
import type { MixedPlatform } from "./platform.ts";
import { withUserspace } from "./world.ts";

/** Bytes of room for events, as `openDriver` has it. */
const EVENT_BUFFER = 8 * 1024 * 1024;

/** What it pings may be carried by this process. */
class KernelWorld extends LinuxWorld {
  protected override readonly mostUnderWay = MOST_UNDER_WAY_HERE;
}

/** As on `/proc/net/dev`: packets that the interface had errors with or dropped, in either direction. */
const DROPPED = `awk -v name="$NAME:" '$1 == name { print $4 + $5 + $12 + $13 }' /proc/net/dev`;

/** Fails with what is missing. */
export async function openMixedLinux(device: Device, protocol: TransportProtocol): Promise<MixedPlatform> {
  // Says what is missing, if something is.
  const { version, description, close } = await openLinuxSubject("auto");
  await close();
  const network = await Network.create();
  const World = withUserspace(KernelWorld);
  return {
    version,
    description,
    sites: network.sites,
    backends: {
      openKernel() {
        const ffi = loadFfi();
        const tracer = new WireTracer(undefined);
        const events = { eventTransport: "auto", eventBuffer: EVENT_BUFFER } as const;
        return LinuxBackend.open({ ffi, posix: createPosix(ffi), tracer, ...events }, "auto");
      },
      siteOf: ({ namespace }) => namespace,
      openUserspace: (_, options) => new PlacedBackend(createPosix(loadFfi()), device, options),
      userspaceCapabilities: userspaceCapabilities({
        tun: device === "tun",
        tunDevice: true,
        nativeSockets: true,
        chacha20: true,
      }),
    },
    makeWorld: (driver, parts) => new World(network, driver, parts.open, protocol).withParts(parts),
    async droppedAt(site, name) {
      return Number(await network.at(site).run(`NAME=${name}; ${DROPPED}`));
    },
    leftovers: () => network.takeInterfaces(),
    close: () => network.close(),
  };
}
