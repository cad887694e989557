/**
 * Sites without an operating system of their own: each has its interfaces, a host, and an address of loopback.
 */
import { isDeepStrictEqual } from "node:util";
import type {
  AdoptInterfaceRequest,
  BackendDriver,
  BackendInterface,
  BackendRules,
  CreateInterfaceRequest,
  ExtraRules,
  Extras,
} from "../../../src/core/backend.ts";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import type { InterfaceInfo } from "../../../src/core/model.ts";
import { UserspaceBackend } from "../../../src/userspace/backend.ts";
import type { Clock } from "../../../src/userspace/clock.ts";
import { Registry } from "../../../src/userspace/registry.ts";
import type { DatagramSockets } from "../../../src/userspace/udp-transport.ts";
import { bothOf } from "../both.ts";
import type { Site } from "../world.ts";
import { Host } from "./host.ts";

/** Where a backend has its interfaces. */
export interface StreamHost {
  /**
   * Another backend at this host: all of them see the same interfaces. What `createInterface` makes has
   * `extras.packets`, a `Duplex` of whole IP packets.
   *
   * @param options `firstPacketId`: of each key; only cases of the userspace backend itself ask for it
   */
  openBackend(options?: { readonly firstPacketId?: number }): BackendDriver;
}

/** Makes a host; keepalives go by its clock. */
export type MakeHost = (clock: Clock) => StreamHost;

/**
 * A host with the userspace backend.
 *
 * @param sockets whose UDP sockets it has
 */
export function userspaceHost(clock: Clock, sockets: DatagramSockets = "best"): StreamHost {
  const registry = new Registry();
  return { openBackend: (options) => new UserspaceBackend({ registry, clock, sockets, ...options }) };
}

/** A site, and what is there. */
export interface UserspaceSite extends Site {
  readonly backends: StreamHost;
  readonly host: Host;
}

export function makeSite(name: string, ipv4: string, backends: StreamHost): UserspaceSite {
  return {
    name,
    extras: { site: name } as object,
    ipv4,
    // Loopback has one address of IPv6: sites differ by port.
    ipv6: "::1",
    linkLocal: { address: "fe80::1", scopeId: 1 },
    backends,
    host: new Host(),
  };
}

/** One driver for all sites: which one a call is about, an option says, as the namespace does on Linux. */
export class SitesBackend implements BackendDriver {
  readonly #backends: ReadonlyMap<string, BackendDriver>;
  readonly #first: BackendDriver;
  readonly capabilities: Capabilities;
  readonly rules: BackendRules;

  /** @param judged the site whose backend is under test: what the driver is called, and its rules, are that one's */
  constructor(
    sites: readonly UserspaceSite[],
    judged: string,
    options: { readonly firstPacketId?: number } = {},
  ) {
    this.#backends = new Map(sites.map(({ name, backends }) => [name, backends.openBackend(options)]));
    this.#first = this.#backends.get(judged) as BackendDriver;
    this.capabilities = [...this.#backends.values()]
      .map(({ capabilities }) => capabilities)
      .reduce(
        (all, each) => (isDeepStrictEqual(all, each) ? all : bothOf(all, each)),
        this.#first.capabilities,
      );
    const site: ExtraRules = {
      site: (value) => (this.#backends.has(value as string) ? undefined : "is no site"),
    };
    const { rules } = this.#first;
    const withSite = (own: ExtraRules | undefined) => ({ ...own, ...site });
    this.rules = {
      ...rules,
      extras: {
        createInterface: withSite(rules.extras.createInterface),
        adoptInterface: withSite(rules.extras.adoptInterface),
        listInterfaces: withSite(rules.extras.listInterfaces),
        openTransport: withSite(rules.extras.openTransport),
        listen: withSite(rules.extras.listen),
      },
    };
  }

  get info() {
    return this.#first.info;
  }

  async createInterface(
    request: CreateInterfaceRequest,
    signal: AbortSignal | undefined,
  ): Promise<BackendInterface> {
    const backend = this.#at(request.extras);
    const made = await backend.createInterface(request, signal);
    if (made.capabilities) return made;
    return Object.defineProperty(made, "capabilities", { value: backend.capabilities });
  }

  adoptInterface(request: AdoptInterfaceRequest, signal: AbortSignal | undefined): Promise<BackendInterface> {
    return this.#at(request.extras).adoptInterface(request, signal);
  }

  listInterfaces(extras: Extras): Promise<InterfaceInfo[]> {
    return this.#at(extras).listInterfaces(withoutSite(extras));
  }

  deleteInterface(name: string, extras: Extras, index?: number): Promise<void> {
    return this.#at(extras).deleteInterface(name, withoutSite(extras), index);
  }

  async close(): Promise<void> {
    for (const backend of this.#backends.values()) await backend.close();
  }

  #at(extras: Extras): BackendDriver {
    return this.#backends.get(extras["site"] as string) ?? this.#first;
  }
}

/** What the backend's own rules are about. */
function withoutSite({ site: _, ...own }: Extras): Extras {
  return own;
}
