/**
 * Sites without an operating system of their own: each has its interfaces, a host, and an address of loopback.
 */
import type {
  BackendDriver,
  BackendInterface,
  BackendRules,
  CreateInterfaceRequest,
  ExtraRules,
  Extras,
} from "../../../src/core/backend.ts";
import type { InterfaceInfo } from "../../../src/core/model.ts";
import { UserspaceBackend } from "../../../src/userspace/backend.ts";
import { Registry } from "../../../src/userspace/registry.ts";
import type { DatagramSockets } from "../../../src/userspace/udp-transport.ts";
import type { Site } from "../world.ts";
import { FAST_CLOCK } from "./clock.ts";
import { Host } from "./host.ts";

/** A site, and what is there. */
export interface UserspaceSite extends Site {
  readonly registry: Registry;
  readonly host: Host;
}

export function makeSite(name: string, ipv4: string): UserspaceSite {
  return {
    name,
    extras: { site: name } as object,
    ipv4,
    // Loopback has one address of IPv6: sites differ by port.
    ipv6: "::1",
    linkLocal: { address: "fe80::1", scopeId: 1 },
    registry: new Registry(),
    host: new Host(),
  };
}

/** One driver for all sites: which one a call is about, an option says, as the namespace does on Linux. */
export class SitesBackend implements BackendDriver {
  readonly #backends: ReadonlyMap<string, UserspaceBackend>;
  readonly #first: UserspaceBackend;
  readonly rules: BackendRules;

  constructor(sites: readonly UserspaceSite[], firstPacketId = 1, sockets: DatagramSockets = "best") {
    const open = ({ registry }: UserspaceSite) =>
      new UserspaceBackend({ registry, firstPacketId, clock: FAST_CLOCK, sockets });
    this.#backends = new Map(sites.map((site) => [site.name, open(site)]));
    this.#first = [...this.#backends.values()][0] as UserspaceBackend;
    const site: ExtraRules = {
      site: (value) => (this.#backends.has(value as string) ? undefined : "is no site"),
    };
    const { rules } = this.#first;
    const { createInterface } = rules.extras;
    this.rules = {
      ...rules,
      extras: {
        createInterface: { ...createInterface, ...site },
        adoptInterface: site,
        listInterfaces: site,
        openTransport: site,
        listen: site,
      },
    };
  }

  get info() {
    return this.#first.info;
  }

  get capabilities() {
    return this.#first.capabilities;
  }

  createInterface(request: CreateInterfaceRequest): Promise<BackendInterface> {
    return this.#at(request.extras).createInterface(request);
  }

  adoptInterface(): Promise<never> {
    return this.#first.adoptInterface();
  }

  listInterfaces(extras: Extras): Promise<InterfaceInfo[]> {
    return this.#at(extras).listInterfaces({});
  }

  deleteInterface(name: string, extras: Extras): Promise<void> {
    return this.#at(extras).deleteInterface(name, {});
  }

  async close(): Promise<void> {
    for (const backend of this.#backends.values()) await backend.close();
  }

  #at(extras: Extras): UserspaceBackend {
    return this.#backends.get(extras["site"] as string) ?? this.#first;
  }
}
