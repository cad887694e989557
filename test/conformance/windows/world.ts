/**
 * One case on adapters of `ovpn-dco-win`: all sites in this process, on addresses of loopback. Without a network card, as
 * the simulator's adapters are under Wine, nothing is configured, and what needs one says so.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import type { DcoDriver, DcoInterface } from "../../../src/core/contract.ts";
import type { CreateInterfaceOptions, Endpoint, InterfaceConfig } from "../../../src/core/model.ts";
import { openWindowsDriver, type WindowsDco, type WindowsDriver } from "../../../src/windows/index.ts";
import { Cleanups } from "../cleanups.ts";
import { inTime } from "../expect.ts";
import { acceptStreams, connectStream } from "../userspace/streams.ts";
import {
  type ClosableWorld,
  type ForeignSocket,
  NotHere,
  type PingOptions,
  type PingResult,
  type RunningPing,
  type Site,
} from "../world.ts";
import { ping, startPing } from "./ping.ts";
import type { Simulator } from "./simulator.ts";

/** Opens the driver; the simulator's paths have no reference string, which Wine does not know. */
export async function openSubjectDriver(simulator: Simulator | undefined): Promise<WindowsDriver> {
  if (simulator === undefined) return openWindowsDriver();
  const driver = await openWindowsDriver({ isDriverPath: () => true });
  // Wine ends a process that asks it to install a device.
  const create = driver.createInterface.bind(driver);
  driver.createInterface = (options) => create(withoutMaking(options));
  return driver;
}

/** What cannot be read is for the driver to refuse. */
function withoutMaking<Options extends object>(options: Options): Options {
  try {
    return { createAdapter: false, ...options };
  } catch {
    return options;
  }
}

/** See {@link ClosableWorld}. */
export class WindowsWorld implements ClosableWorld {
  readonly second = 1000;
  readonly protocol = "udp";
  readonly server: Site;
  readonly clients: readonly [Site, Site, Site];
  readonly driver: WindowsDriver;
  /** Undefined where the driver is the real one. */
  readonly simulator: Simulator | undefined;
  readonly #network: string;
  readonly #cleanups = new Cleanups();
  #nextAddress = 100;
  /** Sites with adapters. */
  readonly #used = new Set<string>();

  /** @param network the first three numbers of the sites' addresses, of loopback */
  constructor(
    network: string,
    driver: WindowsDriver,
    simulator: Simulator | undefined,
    sites: readonly Site[] = makeSites(network),
  ) {
    this.#network = network;
    this.driver = driver;
    this.simulator = simulator;
    this.onClose(() => driver.close());
    const [server, ...clients] = sites;
    this.server = server as Site;
    this.clients = clients as [Site, Site, Site];
  }

  /** @param network the first three numbers of the sites' addresses, of loopback */
  static async open(network: string, simulator: Simulator | undefined): Promise<WindowsWorld> {
    return new WindowsWorld(network, await openSubjectDriver(simulator), simulator);
  }

  get capabilities(): Capabilities {
    return this.driver.capabilities;
  }

  async openDriver(): Promise<DcoDriver> {
    const driver = await openSubjectDriver(this.simulator);
    this.onClose(() => driver.close());
    return driver;
  }

  /** An adapter that is free. One with a name is made on no system. */
  async createInterface(site: Site, options: CreateInterfaceOptions): Promise<WindowsDco> {
    if (options.name !== undefined) throw new NotHere("Windows names adapters itself");
    if (!this.mayFaceEachOther(site)) {
      throw new NotHere(
        "two sockets of the driver that face each other can hang a machine: see --subject mixed",
      );
    }
    const dco = await this.driver.createInterface(options);
    this.onClose(() => dco.close());
    return dco;
  }

  /** Whether adapters at this site and at those before may send to each other. */
  protected mayFaceEachOther({ name }: Site): boolean {
    this.#used.add(name);
    return this.simulator !== undefined || this.#used.size === 1;
  }

  async configure(_site: Site, dco: DcoInterface, config: InterfaceConfig): Promise<void> {
    if (this.simulator === undefined) return dco.configure(config);
    const { up } = config;
    if (up !== undefined) await dco.configure({ up });
  }

  onClose(cleanup: () => unknown): void {
    this.#cleanups.add(cleanup);
  }

  async addAddresses(_site: Site) {
    return { ipv4: `${this.#network}.${this.#nextAddress++}`, ipv6: "::1" };
  }

  async openSocket(site: Site, family: 4 | 6): Promise<ForeignSocket> {
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

  async connectStream(site: Site, remote: Endpoint) {
    const stream = await connectStream(site.ipv4, remote);
    this.onClose(() => stream.close());
    return stream;
  }

  async acceptStreams(site: Site, family: 4 | 6) {
    const listener = await acceptStreams(family === 6 ? site.ipv6 : site.ipv4);
    this.onClose(() => listener.close());
    return listener;
  }

  addAddress = needsCard("addresses and routes");
  addRoute = needsCard("addresses and routes");
  setUp = needsCard("a link of the system's");
  moveAddress = needsCard("addresses that move");
  enableForwarding = needsCard("forwarding");
  addInterface = needsCard("adapters that somebody else makes");
  addOtherInterface = needsCard("adapters of other kinds");
  removeInterface = needsCard("adapters that somebody else removes");
  startOwner = needsCard("adapters of other processes");
  flushWhileStanding = needsCard("adapters of other processes");

  async ping(_from: Site, to: string, options?: PingOptions): Promise<PingResult> {
    this.#needTunnel();
    return ping(to, options);
  }

  async startPing(_from: Site, to: string, options?: PingOptions): Promise<RunningPing> {
    this.#needTunnel();
    const running = startPing(to, options);
    this.onClose(() => running.stop());
    return running;
  }

  /** Without a network card there are neither addresses nor routes: what a case looks at is that nothing has changed. */
  async inspect(_site: Site, name: string) {
    if (this.simulator === undefined)
      throw new NotHere("waits for a real Windows machine: addresses and routes");
    const found = (await this.driver.listInterfaces()).find((each) => each.name === name);
    return found && { up: found.up, mtu: found.mtu, addresses: [], routes: [] };
  }

  close(): Promise<void> {
    return this.#cleanups.run();
  }

  #needTunnel(): void {
    if (this.simulator) throw new NotHere("waits for a real Windows machine: packets in the tunnel");
  }
}

/** What waits for a real Windows machine. */
function needsCard(what: string): () => never {
  return () => {
    throw new NotHere(`waits for a real Windows machine: ${what}`);
  };
}

/** The server's first. */
export function makeSites(network: string): Site[] {
  return ["server", "client1", "client2", "client3"].map((name, at) =>
    makeSite(name, `${network}.${at + 1}`),
  );
}

function makeSite(name: string, ipv4: string): Site {
  return { name, extras: {}, ipv4, ipv6: "::1", linkLocal: { address: "fe80::1", scopeId: 1 } };
}

/** What the driver still has of ours. */
export async function leftoversOf(simulator: Simulator): Promise<string[]> {
  const found: string[] = [];
  for (const state of await simulator.states()) {
    const { openHandles, pendingReads, pendingAnswers, pendingNotifications, pendingConnects } = state;
    const { peers, sockets, routes } = state;
    const held = { openHandles, pendingReads, pendingAnswers, pendingNotifications, pendingConnects };
    for (const [what, count] of Object.entries({ ...held, peers, sockets, routes })) {
      if (count !== 0) found.push(`${what} of ${state.instance}: ${count}`);
    }
  }
  return found;
}
