/**
 * What a case is run in: a driver, and places that can reach each other outside the tunnel.
 *
 * The suite knows a platform only through these interfaces.
 */
import type { Capabilities } from "../../src/core/capabilities.ts";
import type { DcoDriver, DcoInterface } from "../../src/core/contract.ts";
import type {
  CallOptions,
  CreateInterfaceOptions,
  Endpoint,
  InterfaceConfig,
  TransportProtocol,
} from "../../src/core/model.ts";

/** What a subject has no means for: a case that comes to it is reported as skipped. */
export class NotHere extends Error {}

/** A host, or what stands for one. All sites of a world are on one network, outside the tunnel. */
export interface Site {
  readonly name: string;
  /** What makes a call of the driver be about this site: spread it into the options of the call. */
  readonly extras: CallOptions;
  /** Its addresses outside the tunnel. */
  readonly ipv4: string;
  readonly ipv6: string;
  /** Its link-local address, with the interface that it is on. */
  readonly linkLocal: { readonly address: string; readonly scopeId: number };
}

/** How to ping. */
export interface PingOptions {
  /** Requests. Default 3. */
  readonly count?: number;
  /** Bytes of payload. Default 56. */
  readonly size?: number;
  /** Seconds between requests. Default 0.05. */
  readonly interval?: number;
  /** Seconds that the last answer is waited for. Default 5; shorter where none is expected. */
  readonly wait?: number;
}

/** What came of it. */
export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** What the program said. */
  readonly output: string;
}

/** Pings that go on until they are stopped. */
export interface RunningPing {
  /** Answers so far. */
  answered(): number;
  /** Ends them. A request that was under way then is not counted. */
  stop(): Promise<PingResult>;
}

/** An interface as the system itself describes it: the oracle for `configure`. */
export interface SystemInterface {
  readonly up: boolean;
  readonly mtu: number;
  /** Addresses with prefix lengths, without link-local ones; sorted. */
  readonly addresses: readonly string[];
  /** Routes through it but those of its own addresses, as `destination [via gateway] [metric n]`; sorted. */
  readonly routes: readonly string[];
}

/** A socket that was not made by the SDK. The world closes it in the end. */
export interface ForeignSocket {
  readonly fd: number;
  readonly local: Endpoint;
  /** Sends one datagram. */
  send(packet: Uint8Array, to: Endpoint): void;
  /** The next packet. Only for a socket that is not in use by a transport. */
  receive(): Promise<Uint8Array>;
  /** Closes the descriptor; closing it twice does nothing. */
  close(): Promise<void>;
  /** Whether the descriptor is still the socket that was opened. */
  isOpen(): boolean;
}

/** One end of a TCP connection that was not made by the SDK. The world closes it in the end. */
export interface ForeignStream {
  readonly fd: number;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Writes all, as far as the other end takes it. */
  write(bytes: Uint8Array): Promise<void>;
  /** Exactly that many bytes. What nobody reads stays with the kernel, which then takes no more. */
  read(size: number): Promise<Buffer>;
  /** All that comes until the other end ends it. */
  readToEnd(): Promise<Buffer>;
  /** Sends the end, and can go on reading. */
  end(): void;
  /** Ends both directions by a reset. */
  reset(): Promise<void>;
  /** Asks for another size of the kernel's receive buffer (SO_RCVBUF). */
  setReceiveBuffer(bytes: number): void;
  /** Closes the descriptor; closing it twice does nothing. */
  close(): Promise<void>;
  /** Gives the descriptor to somebody who closes it; nothing else may be called after that. */
  release(): number;
  /** Whether the descriptor is still the socket that was opened. */
  isOpen(): boolean;
}

/** Waits for such connections. The world closes it in the end. */
export interface ForeignListener {
  readonly local: Endpoint;
  /** The next connection. */
  accept(): Promise<ForeignStream>;
  /** Waits no longer. */
  close(): Promise<void>;
}

/** Another process that owns an interface's peers. */
export interface ForeignOwner {
  /** Ends it at once; the system closes its socket. */
  kill(): Promise<void>;
}

/** Where one case runs. */
export interface World {
  /** Opened for this case. */
  readonly driver: DcoDriver;
  readonly capabilities: Capabilities;
  readonly server: Site;
  /** Three. */
  readonly clients: readonly [Site, Site, Site];
  /** What tunnels are made of where a case does not say. */
  readonly protocol: TransportProtocol;

  /** How long a second of keepalive takes here, in milliseconds: 1000, unless the driver's clock is the world's. */
  readonly second: number;

  /**
   * Another driver, which knows nothing of the first, as another process would have one.
   *
   * @param options `eventBuffer`: the kernel's room for events, in bytes, where that is the driver's choice
   */
  openDriver(options?: { readonly eventBuffer?: number }): Promise<DcoDriver>;
  /**
   * Another process removes all peers of an interface, while this one stands still: nothing runs here meanwhile.
   *
   * @returns how many it has removed
   */
  flushWhileStanding(site: Site, name: string): number;
  /** `driver.createInterface` at a site; deleted at the end of the case whatever becomes of it. */
  createInterface(site: Site, options: CreateInterfaceOptions): Promise<DcoInterface>;
  /** `dco.configure`; where the interface is none of the system's, the addresses become those of the site itself. */
  configure(site: Site, dco: DcoInterface, config: InterfaceConfig): Promise<void>;
  /** Something to do at the end of the case; the latest first. */
  onClose(cleanup: () => unknown): void;

  /** Pings from a site, and waits for the answers. */
  ping(from: Site, to: string, options?: PingOptions): Promise<PingResult>;
  /** The same, without a number of requests: until it is stopped. */
  startPing(from: Site, to: string, options?: PingOptions): Promise<RunningPing>;
  /** Gives a site other addresses outside the tunnel, and takes the old ones away, until the case ends. */
  moveAddress(site: Site): Promise<{ readonly ipv4: string; readonly ipv6: string }>;
  /** Gives a site more addresses outside the tunnel, besides those that it has, until the case ends. */
  addAddresses(site: Site): Promise<{ readonly ipv4: string; readonly ipv6: string }>;
  /** Lets a site forward packets between interfaces until the case ends. */
  enableForwarding(site: Site): Promise<void>;

  /** Undefined if there is no such interface. */
  inspect(site: Site, name: string): Promise<SystemInterface | undefined>;
  /** By the system's own means, behind the SDK's back; gone at the end of the case. */
  addInterface(site: Site, name: string): Promise<void>;
  /** As `addInterface`, but of a kind that is not the driver's. */
  addOtherInterface(site: Site, name: string): Promise<void>;
  /** Deletes an interface, by the system's own means, as those below. */
  removeInterface(site: Site, name: string): Promise<void>;
  /** Raises or lowers an interface. */
  setUp(site: Site, name: string, up: boolean): Promise<void>;
  /** Gives an interface an address with its prefix length. */
  addAddress(site: Site, name: string, address: string): Promise<void>;
  /** Adds a route through an interface. */
  addRoute(site: Site, name: string, destination: string): Promise<void>;

  /** A UDP socket, bound to the site's address (IPv6: `::`, dual-stack, if `family` is 6), close-on-exec set. */
  openSocket(site: Site, family: 4 | 6): Promise<ForeignSocket>;
  /** A TCP connection from a site; refused as the system refuses it. */
  connectStream(site: Site, remote: Endpoint): Promise<ForeignStream>;
  /** Waits for TCP connections to a site. */
  acceptStreams(site: Site, family: 4 | 6): Promise<ForeignListener>;
  /** Another process adopts an interface, opens a transport, and adds peers without keys. Killed at the end. */
  startOwner(site: Site, name: string, peers: readonly number[]): Promise<ForeignOwner>;
}

/** A world that the runner ends. */
export interface ClosableWorld extends World {
  /** Closes drivers and what was registered. Throws if a step fails, after doing them all. */
  close(): Promise<void>;
}

/** What the sites of a subject are. */
export interface Sites {
  /** Hosts with an operating system: network interfaces, link-local addresses, namespaces or machines of their own. */
  readonly system: boolean;
  /** `moveAddress` works. */
  readonly movable: boolean;
  /** Sockets can be bound to addresses that the site does not have. */
  readonly bindsAnywhere?: boolean;
}

/** A driver under test with its surroundings: makes a world for every case. */
export interface Subject {
  readonly name: string;
  /** Module and version, as the driver says. */
  readonly version: string;
  /** Lines for the summary. */
  readonly description: readonly string[];
  readonly capabilities: Capabilities;
  /** Default: hosts that can do all. */
  readonly sites?: Sites;
  /**
   * The suite was not written for drivers that lack so much: a case that comes to what the capabilities say is not there,
   * and did not ask before, is skipped and not failed. For a subject of which nobody has made the list in `stops`.
   */
  readonly isPartial?: boolean;
  /**
   * Cases that are begun, and come to what is not here: where each stops, by `group: name`. One that goes on from there,
   * or stops elsewhere, has failed, and so has one that stops and is not listed.
   */
  readonly stops?: ReadonlyMap<string, string>;
  /** Why single cases are none for this subject, by `group: name`. */
  readonly exceptions?: ReadonlyMap<string, string>;
  /** Added to the names of cases, where they are run once more in another way. */
  readonly variant?: string;
  /** A new world, for one case. */
  open(): Promise<ClosableWorld>;
  /** What is left at the sites that the worlds should have taken away; takes it away. */
  leftovers(): Promise<string[]>;
  /** Takes the surroundings away. */
  close(): Promise<void>;
}
