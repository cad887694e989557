/**
 * One case on FreeBSD.
 */
import { execFileSync } from "node:child_process";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import type { DcoDriver, DcoInterface } from "../../../src/core/contract.ts";
import { DcoError } from "../../../src/core/errors.ts";
import type { CreateInterfaceOptions, InterfaceConfig } from "../../../src/core/model.ts";
import { Cleanups } from "../cleanups.ts";
import { MOST_UNDER_WAY } from "../linux/ping.ts";
import type { ClosableWorld, ForeignOwner, ForeignSocket, PingOptions, Site } from "../world.ts";
import type { FreebsdSite, Network } from "./network.ts";
import { startPing } from "./ping.ts";
import { program } from "./programs.ts";
import { startAt } from "./raw.ts";
import { openForeignSocket } from "./socket.ts";
import { inspectInterface } from "./system.ts";

/** See {@link ClosableWorld}. */
export class FreebsdWorld implements ClosableWorld {
  readonly driver: DcoDriver;
  readonly second = 1000;
  readonly protocol = "udp";
  readonly server: FreebsdSite;
  readonly clients: readonly [FreebsdSite, FreebsdSite, FreebsdSite];
  /** Pings that need not be answered when they are stopped. */
  protected readonly mostUnderWay: number = MOST_UNDER_WAY;
  readonly #network: Network;
  readonly #open: () => Promise<DcoDriver>;
  readonly #cleanups = new Cleanups();

  /** @param open makes a driver */
  constructor(network: Network, driver: DcoDriver, open: () => Promise<DcoDriver>) {
    const [server, ...clients] = network.sites as [FreebsdSite, FreebsdSite, FreebsdSite, FreebsdSite];
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

  /** The kernel's room for events is fixed (capability `eventQueue`). */
  async openDriver(): Promise<DcoDriver> {
    const driver = await this.#open();
    this.onClose(() => driver.close());
    return driver;
  }

  flushWhileStanding(site: Site, name: string): number {
    const args = [this.#site(site).jail, process.execPath, program("flush"), JSON.stringify({ name })];
    return Number(execFileSync("jexec", args, { encoding: "utf8" }));
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

  connectStream(): Promise<never> {
    throw new Error("this kernel carries no TCP");
  }

  acceptStreams(): Promise<never> {
    throw new Error("this kernel carries no TCP");
  }

  onClose(cleanup: () => unknown): void {
    this.#cleanups.add(cleanup);
  }

  async ping(from: Site, to: string, options: PingOptions = {}) {
    return startPing(this.#network.at(from), to, { count: 3, ...options }).stop();
  }

  async startPing(from: Site, to: string, options: PingOptions = {}) {
    const ping = startPing(this.#network.at(from), to, options, this.mostUnderWay);
    this.onClose(() => ping.stop().catch(() => {}));
    return ping;
  }

  async moveAddress(site: Site) {
    this.onClose(() => this.#network.moveBack(this.#site(site)));
    return this.#network.move(this.#site(site));
  }

  async addAddresses(site: Site) {
    this.onClose(() => this.#network.moveBack(this.#site(site)));
    return this.#network.addAddresses(this.#site(site));
  }

  async enableForwarding(site: Site): Promise<void> {
    const set = (value: 0 | 1) =>
      this.#network.at(site).run(`sysctl net.inet.ip.forwarding=${value} net.inet6.ip6.forwarding=${value}`);
    this.onClose(() => set(0));
    await set(1);
  }

  inspect(site: Site, name: string) {
    return inspectInterface(this.#network.at(site), name);
  }

  async removeInterface(site: Site, name: string): Promise<void> {
    await this.#network.at(site).run(`ifconfig ${name} destroy`);
  }

  async addInterface(site: Site, name: string): Promise<void> {
    await this.#addLink(site, name, "ovpn");
  }

  async addOtherInterface(site: Site, name: string): Promise<void> {
    await this.#addLink(site, name, "lo");
  }

  async setUp(site: Site, name: string, up: boolean): Promise<void> {
    await this.#network.at(site).run(`ifconfig ${name} ${up ? "up" : "down"}`);
  }

  async addAddress(site: Site, name: string, address: string): Promise<void> {
    const family = address.includes(":") ? "inet6" : "inet";
    await this.#network.at(site).run(`ifconfig ${name} ${family} ${address} alias`);
  }

  async addRoute(site: Site, name: string, destination: string): Promise<void> {
    const family = destination.includes(":") ? "-6" : "-4";
    await this.#network.at(site).run(`route -q ${family} add -net ${destination} -interface ${name}`);
  }

  async openSocket(site: Site, family: 4 | 6): Promise<ForeignSocket> {
    const socket = openForeignSocket(this.#site(site), family);
    this.onClose(() => socket.close());
    return socket;
  }

  async startOwner(site: Site, name: string, peers: readonly number[]): Promise<ForeignOwner> {
    const order = { name, address: site.ipv4, peers };
    const { line, kill } = await startAt(this, site, "owner", order);
    if (line !== "ready\n") throw new Error(`the other owner ended with ${line}`);
    return { kill };
  }

  close(): Promise<void> {
    return this.#cleanups.run();
  }

  async #addLink(site: Site, name: string, kind: string): Promise<void> {
    const at = this.#network.at(site);
    await at.run(`ifconfig ${kind} create name ${name}`);
    this.onClose(() => at.run(`ifconfig ${name} destroy`).catch(() => {}));
  }

  #site(site: Site): FreebsdSite {
    return site as FreebsdSite;
  }
}
