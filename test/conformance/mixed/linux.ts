/**
 * Linux' `ovpn` and the userspace backend, each in network namespaces of its own.
 */
import type { BackendInterface, CreateInterfaceRequest } from "../../../src/core/backend.ts";
import type { TransportProtocol } from "../../../src/core/model.ts";
import { WireTracer } from "../../../src/core/trace.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import { LinuxBackend } from "../../../src/linux/backend.ts";
import { UserspaceBackend, type UserspaceOptions } from "../../../src/userspace/backend.ts";
import { Network } from "../linux/network.ts";
import { openLinuxSubject } from "../linux/subject.ts";
import { LinuxWorld } from "../linux/world.ts";
import { withinNamespace } from "./namespace.ts";
import type { MixedPlatform } from "./platform.ts";
import { withUserspace } from "./world.ts";

/** Bytes of room for events, as `openDriver` has it. */
const EVENT_BUFFER = 8 * 1024 * 1024;

/** Its sockets belong to a namespace, as those of a process there would. */
class BackendThere extends UserspaceBackend {
  readonly #namespace: string;

  constructor(namespace: string, options: UserspaceOptions) {
    super(options);
    this.#namespace = namespace;
  }

  override async createInterface(request: CreateInterfaceRequest): Promise<BackendInterface> {
    const made = await super.createInterface(request);
    const posix = createPosix(loadFfi());
    const openTransport = made.openTransport.bind(made);
    const listen = made.listen.bind(made);
    made.openTransport = (...args) => withinNamespace(posix, this.#namespace, () => openTransport(...args));
    made.listen = (...args) => withinNamespace(posix, this.#namespace, () => listen(...args));
    return made;
  }
}

/** As on `/proc/net/dev`: packets that the interface had errors with or dropped, in either direction. */
const DROPPED = `awk -v name="$NAME:" '$1 == name { print $4 + $5 + $12 + $13 }' /proc/net/dev`;

/** Fails with what is missing. */
export async function openMixedLinux(protocol: TransportProtocol): Promise<MixedPlatform> {
  // Says what is missing, if something is.
  const { version, description, close } = await openLinuxSubject("auto");
  await close();
  const network = await Network.create();
  const World = withUserspace(LinuxWorld);
  return {
    version,
    description,
    sites: network.sites,
    backends: {
      openKernel() {
        const ffi = loadFfi();
        const tracer = new WireTracer(undefined);
        const events = { eventTransport: "auto", eventBuffer: EVENT_BUFFER } as const;
        return LinuxBackend.open({ ffi, posix: createPosix(ffi), tracer, ...events });
      },
      siteOf: ({ namespace }) => namespace,
      openUserspace: (site, options) => new BackendThere(site as string, options),
    },
    makeWorld: (driver, parts) => new World(network, driver, parts.open, protocol).withParts(parts),
    async droppedAt(site, name) {
      return Number(await network.at(site).run(`NAME=${name}; ${DROPPED}`));
    },
    leftovers: async () => network.sites.flatMap((site) => network.interfacesAt(site)),
    close: () => network.close(),
  };
}
