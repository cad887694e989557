/**
 * One case on Linux.
 */
import type { Capabilities } from "../../../src/core/capabilities.ts";
import type { DcoDriver, DcoInterface } from "../../../src/core/contract.ts";
import { DcoError } from "../../../src/core/errors.ts";
import type {
  CreateInterfaceOptions,
  Endpoint,
  InterfaceConfig,
  TransportProtocol,
} from "../../../src/core/model.ts";
import { Cleanups } from "../cleanups.ts";
import { pingOneByOne } from "../pings.ts";
import type {
  ClosableWorld,
  ForeignListener,
  ForeignOwner,
  ForeignSocket,
  ForeignStream,
  PingOptions,
  PingResult,
  Site,
} from "../world.ts";
import { runChildSync } from "./child.ts";
import type { LinuxSite, Network } from "./network.ts";
import { startOwner } from "./owner.ts";
import { MOST_UNDER_WAY, startPing } from "./ping.ts";
import { kindOf } from "./raw.ts";
import { openForeignSocket } from "./socket.ts";
import { connectForeign, listenForeign } from "./stream.ts";
import { inspectInterface } from "./system.ts";

/** Makes a driver of the subject's kind. */
export type OpenLinux = (options?: { readonly eventBuffer?: number }) => Promise<DcoDriver>;

/** See {@link ClosableWorld}. */
export class LinuxWorld implements ClosableWorld {
  readonly driver: DcoDriver;
  readonly second = 1000;
  readonly protocol: TransportProtocol;
  readonly server: LinuxSite;
  readonly clients: readonly [LinuxSite, LinuxSite, LinuxSite];
  /** Pings that need not be answered when they are stopped. */
  protected readonly mostUnderWay: number = MOST_UNDER_WAY;
  readonly #network: Network;
  readonly #open: OpenLinux;
  readonly #cleanups = new Cleanups();

  /** @param open makes a driver */
  constructor(network: Network, driver: DcoDriver, open: OpenLinux, protocol: TransportProtocol) {
    this.protocol = protocol;
    const [server, ...clients] = network.sites as [LinuxSite, LinuxSite, LinuxSite, LinuxSite];
    this.server = server;
    this.clients = clients;
    this.#network = network;
    this.driver = driver;
    this.#open = open;
    this.onClose(() => driver.close());
  }

  get capabilities(): Capabilities {
    return this.driver.capabilities;
  }

  async openDriver(options?: { readonly eventBuffer?: number }): Promise<DcoDriver> {
    const driver = await this.#open(options);
    this.onClose(() => driver.close());
    return driver;
  }

  flushWhileStanding(site: Site, name: string): number {
    return Number(runChildSync(site, "flush", { name }));
  }

  async createInterface(site: Site, options: CreateInterfaceOptions): Promise<DcoInterface> {
    const dco = await this.driver.createInterface({ ...options, ...site.extras });
    this.onClose(async () => {
      await dco.close();
      if (options.deleteOnClose !== false) return;
      await this.driver.deleteInterface(dco.name, site.extras).catch((error: unknown) => {
        if (!DcoError.is(error) || error.code !== "not-found") throw error;
      });
    });
    return dco;
  }

  async configure(_site: Site, dco: DcoInterface, config: InterfaceConfig): Promise<void> {
    await dco.configure(config);
  }

  onClose(cleanup: () => unknown): void {
    this.#cleanups.add(cleanup);
  }

  async ping(from: Site, to: string, options: PingOptions = {}): Promise<PingResult> {
    return startPing(this.#network.at(from), to, { count: 3, ...options }).stop();
  }

  /** Where it is this process that carries the packets. */
  protected pingOneByOne(from: Site, to: string, options: PingOptions): Promise<PingResult> {
    const ping = (one: PingOptions) => startPing(this.#network.at(from), to, one).stop();
    return pingOneByOne(options, ping);
  }

  async startPing(from: Site, to: string, options: PingOptions = {}) {
    const ping = startPing(this.#network.at(from), to, options, this.mostUnderWay);
    this.onClose(() => ping.stop().catch(() => {}));
    return ping;
  }

  async moveAddress(site: Site) {
    const linux = this.#site(site);
    this.onClose(() => this.#network.moveBack(linux));
    return this.#network.move(linux);
  }

  async addAddresses(site: Site) {
    const linux = this.#site(site);
    this.onClose(() => this.#network.moveBack(linux));
    return this.#network.addAddresses(linux);
  }

  async enableForwarding(site: Site): Promise<void> {
    const set = (value: 0 | 1) =>
      this.#network.at(site).run(
        `echo ${value} > /proc/sys/net/ipv4/ip_forward
         echo ${value} > /proc/sys/net/ipv6/conf/all/forwarding`,
      );
    this.onClose(() => set(0));
    await set(1);
  }

  inspect(site: Site, name: string) {
    return inspectInterface(this.#network.at(site), name);
  }

  async removeInterface(site: Site, name: string): Promise<void> {
    await this.#network.at(site).run(`ip link del ${name}`);
  }

  async addInterface(site: Site, name: string): Promise<void> {
    await this.addLink(site, name, `ip link add ${name} type ${kindOf(this)}`);
  }

  async addOtherInterface(site: Site, name: string): Promise<void> {
    await this.addLink(site, name, `ip link add ${name} type bridge`);
  }

  async setUp(site: Site, name: string, up: boolean): Promise<void> {
    await this.#network.at(site).run(`ip link set ${name} ${up ? "up" : "down"}`);
  }

  async addAddress(site: Site, name: string, address: string): Promise<void> {
    await this.#network.at(site).run(`ip addr add ${address} dev ${name}`);
  }

  async addRoute(site: Site, name: string, destination: string): Promise<void> {
    await this.#network.at(site).run(`ip route add ${destination} dev ${name}`);
  }

  async openSocket(site: Site, family: 4 | 6): Promise<ForeignSocket> {
    const linux = this.#site(site);
    const socket = openForeignSocket(linux, family);
    this.onClose(() => socket.close());
    return socket;
  }

  async connectStream(site: Site, remote: Endpoint): Promise<ForeignStream> {
    return this.#keep(await connectForeign(this.#site(site), remote));
  }

  async acceptStreams(site: Site, family: 4 | 6): Promise<ForeignListener> {
    const listener = this.#keep(listenForeign(this.#site(site), family));
    return { ...listener, accept: async () => this.#keep(await listener.accept()) };
  }

  async startOwner(site: Site, name: string, peers: readonly number[]): Promise<ForeignOwner> {
    return startOwner(this, site, name, peers);
  }

  close(): Promise<void> {
    return this.#cleanups.run();
  }

  protected async addLink(site: Site, name: string, command: string): Promise<void> {
    const at = this.#network.at(site);
    await at.run(command);
    this.onClose(() => at.run(`ip link del ${name}`).catch(() => {}));
  }

  #keep<T extends { close(): Promise<void> }>(what: T): T {
    this.onClose(() => what.close());
    return what;
  }

  #site(site: Site): LinuxSite {
    return site as LinuxSite;
  }
}
