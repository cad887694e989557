/**
 * One case with the kernel at one end of each tunnel and the userspace backend at the other.
 */
import type { DcoDriver, DcoInterface } from "../../../src/core/contract.ts";
import type { CreateInterfaceOptions, InterfaceConfig, TransportProtocol } from "../../../src/core/model.ts";
import type { UserspaceExtras } from "../../../src/userspace/index.ts";
import type { Network } from "../linux/network.ts";
import { MOST_UNDER_WAY_HERE } from "../linux/ping.ts";
import { LinuxWorld } from "../linux/world.ts";
import { Host } from "../userspace/host.ts";
import type { PingOptions, Site, SystemInterface } from "../world.ts";
import type { Device } from "./placed.ts";

/** Makes a driver; packet ids of the userspace backend's keys begin with this one. */
export type OpenMixed = (firstPacketId?: number) => Promise<DcoDriver>;

/** See {@link LinuxWorld}: the sites are its network namespaces, and addresses outside the tunnel are theirs. */
export class MixedWorld extends LinuxWorld {
  protected override readonly mostUnderWay = MOST_UNDER_WAY_HERE;
  /** What stands for the system at the sites with the userspace backend, unless it has TUN devices. */
  readonly #hosts: ReadonlyMap<string, Host>;
  readonly #userspaceAt: readonly string[];
  readonly #again: (firstPacketId: number) => Promise<MixedWorld>;

  /** @param userspaceAt names of the sites with the userspace backend */
  constructor(
    network: Network,
    driver: DcoDriver,
    open: OpenMixed,
    protocol: TransportProtocol,
    userspaceAt: readonly string[],
    device: Device,
  ) {
    super(network, driver, () => open(), protocol);
    this.#again = async (firstPacketId) => {
      const another = new MixedWorld(network, await open(firstPacketId), open, protocol, userspaceAt, device);
      this.onClose(() => another.close());
      return another;
    };
    this.#userspaceAt = userspaceAt;
    const without = device === "tun" ? [] : userspaceAt;
    this.#hosts = new Map(without.map((name) => [name, new Host({ haste: 1, longestWait: 5 })]));
  }

  /** Another world like this one, whose userspace keys begin with this packet id. */
  withFirstPacketId(firstPacketId: number): Promise<MixedWorld> {
    return this.#again(firstPacketId);
  }

  isUserspace(site: Site): boolean {
    return this.#userspaceAt.includes(site.name);
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
    return this.pingOneByOne(from, to, options);
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
}
