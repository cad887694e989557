/**
 * One case with the kernel at one end of each tunnel and the userspace backend at the other.
 */
import type { DcoDriver, DcoInterface } from "../../../src/core/contract.ts";
import type { CreateInterfaceOptions, InterfaceConfig } from "../../../src/core/model.ts";
import type { UserspaceExtras } from "../../../src/userspace/index.ts";
import { pingOneByOne } from "../pings.ts";
import { Host } from "../userspace/host.ts";
import type { ClosableWorld, PingOptions, Site, SystemInterface, World } from "../world.ts";
import type { Device } from "./placed.ts";

/** What such a world needs besides. */
export interface MixedWorldParts {
  /** The sites with the userspace backend. */
  readonly userspaceAt: readonly Site[];
  /** What its interfaces are. */
  readonly device: Device;
  /** Makes a driver. */
  open(): Promise<DcoDriver>;
  /** Makes another world, of a driver whose userspace keys begin with this packet id. */
  again(firstPacketId: number): Promise<ClosableWorld & MixedWorld>;
  /** What the system counts as errors and drops of an interface of the kernel's. */
  droppedAt(site: Site, name: string): Promise<number>;
}

/** What cases of two different ends ask for besides. */
export interface MixedWorld extends World {
  /** Another world like this one, whose userspace keys begin with this packet id. */
  withFirstPacketId(firstPacketId: number): Promise<MixedWorld>;
  isUserspace(site: Site): boolean;
  /** Packets that an interface has dropped, as the system counts them, or the backend where it has no system. */
  dropped(site: Site, dco: DcoInterface): Promise<number>;
}

/** Addresses outside the tunnel are the sites', and at those of the userspace backend something stands for the rest. */
// biome-ignore lint/suspicious/noExplicitAny: what a mixin's base is constructed with is its own
export function withUserspace<Base extends new (...args: any[]) => ClosableWorld>(BaseWorld: Base) {
  return class extends BaseWorld implements MixedWorld {
    /** What stands for the system at the sites with the userspace backend, unless it has TUN devices. */
    readonly #hosts = new Map<string, Host>();
    #parts: MixedWorldParts | undefined;

    /** Called once, before anything else. */
    withParts(parts: MixedWorldParts): this {
      this.#parts = parts;
      if (parts.device === "tun") return this;
      for (const { name } of parts.userspaceAt) {
        this.#hosts.set(name, new Host({ haste: 1, longestWait: 5 }));
      }
      return this;
    }

    async withFirstPacketId(firstPacketId: number): Promise<MixedWorld> {
      const another = await this.#given.again(firstPacketId);
      this.onClose(() => another.close());
      return another;
    }

    isUserspace(site: Site): boolean {
      return this.#given.userspaceAt.some(({ name }) => name === site.name);
    }

    async dropped(site: Site, { name, extras }: DcoInterface): Promise<number> {
      if (!this.isUserspace(site)) return this.#given.droppedAt(site, name);
      const { drops } = extras as UserspaceExtras;
      return Object.values(drops).reduce((all, some) => all + some, 0);
    }

    override async createInterface(site: Site, options: CreateInterfaceOptions): Promise<DcoInterface> {
      const dco = await super.createInterface(site, options);
      this.#hosts.get(site.name)?.attach(dco.name, (dco.extras as UserspaceExtras).packets);
      return dco;
    }

    override async configure(site: Site, dco: DcoInterface, config: InterfaceConfig): Promise<void> {
      const host = this.#hosts.get(site.name);
      if (host === undefined) return super.configure(site, dco, config);
      const { addresses, ...rest } = config;
      if (addresses) host.setAddresses(dco.name, addresses);
      await dco.configure(rest);
    }

    override async ping(from: Site, to: string, options: PingOptions = {}) {
      const host = this.#hosts.get(from.name);
      if (host) return host.startPing(to, { count: 3, ...options }).stop();
      return pingOneByOne(options, (one) => super.ping(from, to, one));
    }

    override async startPing(from: Site, to: string, options: PingOptions = {}) {
      const host = this.#hosts.get(from.name);
      if (host === undefined) return super.startPing(from, to, options);
      const ping = host.startPing(to, options);
      this.onClose(() => ping.stop());
      return ping;
    }

    override async enableForwarding(site: Site): Promise<void> {
      const host = this.#hosts.get(site.name);
      if (host) host.forwards = true;
      else await super.enableForwarding(site);
    }

    override async addAddress(site: Site, name: string, address: string): Promise<void> {
      const host = this.#hosts.get(site.name);
      if (host) host.addAddress(name, address);
      else await super.addAddress(site, name, address);
    }

    override async inspect(site: Site, name: string): Promise<SystemInterface | undefined> {
      if (!this.#hosts.has(site.name)) return super.inspect(site, name);
      const found = (await this.driver.listInterfaces(site.extras)).find((each) => each.name === name);
      return found && { up: found.up, mtu: found.mtu, addresses: [], routes: [] };
    }

    get #given(): MixedWorldParts {
      if (this.#parts === undefined) throw new Error("the world was given no parts");
      return this.#parts;
    }
  };
}
