/**
 * One case on the userspace backend: all sites in this process, without any privilege.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import type { DcoDriver, DcoInterface } from "../../../src/core/contract.ts";
import { CoreDriver } from "../../../src/core/driver.ts";
import type {
  CreateInterfaceOptions,
  Endpoint,
  InterfaceConfig,
  TransportProtocol,
} from "../../../src/core/model.ts";
import type { UserspaceExtras } from "../../../src/userspace/index.ts";
import { Cleanups } from "../cleanups.ts";
import { inTime } from "../expect.ts";
import type { Place } from "../linux/place.ts";
import { openForeignSocket } from "../linux/socket.ts";
import { connectForeign, listenForeign } from "../linux/stream.ts";
import type {
  ClosableWorld,
  ForeignListener,
  ForeignSocket,
  ForeignStream,
  PingOptions,
  Site,
  SystemInterface,
  World,
} from "../world.ts";
import { fastClock } from "./clock.ts";
import { type MakeHost, makeSite, SitesBackend, type UserspaceSite } from "./sites.ts";
import { acceptStreams, connectStream } from "./streams.ts";

/** What a world is made of. */
export interface UserspaceWorldParts {
  /** The first three numbers of the sites' addresses, of loopback. */
  readonly network: string;
  readonly protocol: TransportProtocol;
  /** How many times faster than the real one the clock goes. */
  readonly haste: number;
  readonly server: MakeHost;
  readonly clients: MakeHost;
  /** The site whose backend is under test. */
  readonly judged: "server" | "client1";
}

/** Sockets can be had with their descriptors, to give them to a transport. */
const HAS_DESCRIPTORS = process.platform === "linux";

/** A site is an address of this host's. */
function placeOf({ ipv4, ipv6 }: Site): Place {
  return { ipv4, ipv6 };
}

/** See {@link ClosableWorld}. */
export class UserspaceWorld implements ClosableWorld {
  readonly driver: DcoDriver;
  readonly second: number;
  readonly protocol: TransportProtocol;
  readonly server: UserspaceSite;
  readonly clients: readonly [UserspaceSite, UserspaceSite, UserspaceSite];
  readonly #network: string;
  readonly #judged: string;
  readonly #cleanups = new Cleanups();
  #nextAddress = 100;

  constructor({ network, protocol, haste, server, clients, judged }: UserspaceWorldParts) {
    this.#network = network;
    this.#judged = judged;
    this.protocol = protocol;
    this.second = 1000 / haste;
    const clock = fastClock(haste);
    this.server = makeSite("server", `${network}.1`, server(clock));
    this.clients = [2, 3, 4].map((last) =>
      makeSite(`client${last - 1}`, `${network}.${last}`, clients(clock)),
    ) as [UserspaceSite, UserspaceSite, UserspaceSite];
    this.driver = this.#driver();
  }

  get capabilities(): Capabilities {
    return this.driver.capabilities;
  }

  /** Interfaces that are still there. */
  async interfaces(): Promise<string[]> {
    const found: string[] = [];
    for (const { name: site, backends } of [this.server, ...this.clients]) {
      const backend = backends.openBackend();
      for (const { name } of await backend.listInterfaces({})) found.push(`interface ${name} at ${site}`);
      await backend.close();
    }
    return found;
  }

  /** The same world, with drivers whose keys begin with this packet id. */
  withFirstPacketId(firstPacketId: number): World {
    const driver = this.#driver(firstPacketId);
    return Object.assign(Object.create(this) as UserspaceWorld, {
      createInterface: (site: Site, options: CreateInterfaceOptions) =>
        this.#createInterface(driver, site, options),
      configure: this.configure.bind(this),
    });
  }

  async openDriver(): Promise<DcoDriver> {
    return this.#driver();
  }

  createInterface(site: Site, options: CreateInterfaceOptions): Promise<DcoInterface> {
    return this.#createInterface(this.driver, site, options);
  }

  async #createInterface(
    driver: DcoDriver,
    site: Site,
    options: CreateInterfaceOptions,
  ): Promise<DcoInterface> {
    const dco = await driver.createInterface({ ...options, ...site.extras });
    this.onClose(() => dco.close());
    this.#at(site).host.attach(dco.name, (dco.extras as UserspaceExtras).packets);
    return dco;
  }

  async configure(site: Site, dco: DcoInterface, config: InterfaceConfig): Promise<void> {
    const { addresses, ...rest } = config;
    if (addresses) this.#at(site).host.setAddresses(dco.name, addresses);
    await dco.configure(rest);
  }

  onClose(cleanup: () => unknown): void {
    this.#cleanups.add(cleanup);
  }

  async ping(from: Site, to: string, options: PingOptions = {}) {
    return this.#at(from)
      .host.startPing(to, { count: 3, ...options })
      .stop();
  }

  async startPing(from: Site, to: string, options: PingOptions = {}) {
    const ping = this.#at(from).host.startPing(to, options);
    this.onClose(() => ping.stop());
    return ping;
  }

  async addAddresses(_site: Site) {
    return { ipv4: `${this.#network}.${this.#nextAddress++}`, ipv6: "::1" };
  }

  async enableForwarding(site: Site): Promise<void> {
    this.#at(site).host.forwards = true;
  }

  async inspect(site: Site, name: string): Promise<SystemInterface | undefined> {
    const found = (await this.driver.listInterfaces(site.extras)).find((each) => each.name === name);
    if (found === undefined) return undefined;
    const { up, mtu } = found;
    return { up, mtu, addresses: this.#at(site).host.addressesOf(name).sort(), routes: [] };
  }

  /** By another driver: there are no other means. */
  async addInterface(site: Site, name: string): Promise<void> {
    await this.#driver().createInterface({ mode: "p2p", name, ...site.extras });
  }

  async removeInterface(site: Site, name: string): Promise<void> {
    await this.#driver().deleteInterface(name, site.extras);
  }

  async addAddress(site: Site, name: string, address: string): Promise<void> {
    this.#at(site).host.addAddress(name, address);
  }

  async openSocket(site: Site, family: 4 | 6): Promise<ForeignSocket> {
    if (HAS_DESCRIPTORS) {
      const socket = openForeignSocket(placeOf(site), family);
      this.onClose(() => socket.close());
      return socket;
    }
    const socket = createSocket(family === 6 ? "udp6" : "udp4");
    const packets: Buffer[] = [];
    socket.on("message", (packet) => {
      packets.push(packet);
      socket.emit("packet");
    });
    socket.bind({ address: family === 6 ? "::" : site.ipv4, exclusive: true });
    await once(socket, "listening");
    const { address, port } = socket.address();
    let closing: Promise<void> | undefined;
    const close = () => {
      closing ??= new Promise((resolve) => socket.close(() => resolve()));
      return closing;
    };
    this.onClose(close);
    return {
      fd: -1,
      local: { address, port },
      send: (packet, to) => socket.send(packet, to.port, to.address),
      receive: async () => {
        while (packets.length === 0) await inTime(once(socket, "packet"), `a packet for ${site.name}`);
        return packets.shift() as Buffer;
      },
      close,
      isOpen: () => closing === undefined,
    };
  }

  async connectStream(site: Site, remote: Endpoint): Promise<ForeignStream> {
    const stream = HAS_DESCRIPTORS
      ? await connectForeign(placeOf(site), remote)
      : await connectStream(site.ipv4, remote);
    return this.#keep(stream);
  }

  async acceptStreams(site: Site, family: 4 | 6): Promise<ForeignListener> {
    if (!HAS_DESCRIPTORS) return this.#keep(await acceptStreams(family === 6 ? site.ipv6 : site.ipv4));
    const listener = this.#keep(listenForeign(placeOf(site), family));
    return { ...listener, accept: async () => this.#keep(await listener.accept()) };
  }

  moveAddress = absent("addresses that move");
  addOtherInterface = absent("interfaces of other kinds");
  setUp = absent("other means to raise interfaces");
  addRoute = absent("routes of a system");
  startOwner = absent("interfaces of other processes");
  flushWhileStanding = absent("interfaces of other processes");

  close(): Promise<void> {
    return this.#cleanups.run();
  }

  #driver(firstPacketId?: number): DcoDriver {
    const options = firstPacketId === undefined ? {} : { firstPacketId };
    const sites = [this.server, ...this.clients];
    const driver = new CoreDriver(new SitesBackend(sites, this.#judged, options));
    this.onClose(() => driver.close());
    return driver;
  }

  #keep<T extends { close(): Promise<void> }>(what: T): T {
    this.onClose(() => what.close());
    return what;
  }

  #at(site: Site): UserspaceSite {
    return site as UserspaceSite;
  }
}

/** What a case should not have asked for here. */
function absent(what: string): () => never {
  return () => {
    throw new Error(`sites without a system have no ${what}`);
  };
}
