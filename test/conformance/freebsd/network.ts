/**
 * The sites on FreeBSD: VNET jails on one bridge, made by this run and taken away at its end.
 */
import { execFileSync } from "node:child_process";
import { run } from "../linux/command.ts";
import { Resident } from "../linux/resident.ts";
import type { Site } from "../world.ts";
import { JailSockets } from "./sockets.ts";

/** A site that is a jail with a network stack of its own. */
export interface FreebsdSite extends Site {
  readonly jail: string;
  readonly sockets: JailSockets;
}

/** The interface of a site that leads outside. */
const WIRE = "wire";

/** Jails of a run have its process id, so that those of a killed run can be told. */
const PREFIX = "dcokit-";

/** Prefixes for documentation (RFC 5737, RFC 3849): nothing real has them. */
const address4 = (host: number) => `192.0.2.${host}`;
const address6 = (host: number) => `2001:db8::${host.toString(16)}`;

/** Host numbers of addresses that sites move to; up to 254 they may repeat. */
const FIRST_MOVED = 20;
const MOVED = 200;

/** The jails of one run. */
export class Network {
  readonly sites: FreebsdSite[] = [];
  readonly #residents = new Map<string, Resident>();
  readonly #onExit = () => this.#remove();
  #bridge = "";
  readonly #pairs: string[] = [];
  readonly #jails: string[] = [];
  #moves = 0;

  private constructor() {
    process.once("exit", this.#onExit);
  }

  /** Makes a server's site and three clients' on one network. */
  static async create(): Promise<Network> {
    const network = new Network();
    try {
      network.#bridge = (await run("ifconfig", ["bridge", "create", "up"])).trim();
      for (const name of ["server", "client1", "client2", "client3"]) await network.#add(name);
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  /** The shell at a site. */
  at(site: Site): Resident {
    return this.#residents.get(site.name) as Resident;
  }

  /** Interfaces at a site that are not the network's own. */
  async interfacesAt(site: FreebsdSite): Promise<string[]> {
    const found = (await this.at(site).run("ifconfig -l")).split(/\s+/);
    return found.filter((name) => name !== "" && name !== "lo0" && name !== WIRE);
  }

  /** Gives a site other addresses on its wire. */
  async move(site: FreebsdSite): Promise<{ ipv4: string; ipv6: string }> {
    const moved = this.#unused();
    await this.#readdress(site, [moved]);
    return moved;
  }

  /** Gives a site more addresses on its wire, which are not the first choice for what it sends. */
  async addAddresses(site: FreebsdSite): Promise<{ ipv4: string; ipv6: string }> {
    const added = this.#unused();
    await this.at(site).run(
      `ifconfig ${WIRE} inet ${added.ipv4}/32 alias
       ifconfig ${WIRE} inet6 ${added.ipv6}/64 alias no_dad -prefer_source`,
    );
    return added;
  }

  /** Takes back what `move` and `addAddresses` did. */
  moveBack(site: FreebsdSite): Promise<void> {
    return this.#readdress(site, [site]);
  }

  async close(): Promise<void> {
    process.removeListener("exit", this.#onExit);
    await Promise.all(this.sites.map(({ sockets }) => sockets.close()));
    await Promise.all([...this.#residents.values()].map((resident) => resident.close()));
    this.#remove();
  }

  async #add(name: string): Promise<void> {
    const jail = `${PREFIX}${process.pid}-${name}`;
    await run("jail", ["-c", `name=${jail}`, "path=/", "vnet", "persist", "allow.raw_sockets"]);
    this.#jails.push(jail);
    const near = (await run("ifconfig", ["epair", "create", "up"])).trim();
    this.#pairs.push(near);
    await run("ifconfig", [this.#bridge, "addm", near]);
    await run("ifconfig", [near.replace(/a$/, "b"), "vnet", jail]);
    const resident = new Resident(jail, ["jexec", jail]);
    this.#residents.set(name, resident);
    await resident.ready();
    const number = this.sites.length + 1;
    const addresses = { ipv4: address4(number), ipv6: address6(number) };
    const local = `fe80::${number}`;
    // The SDK's interfaces get no link-local address: every packet in a tunnel is a case's.
    await resident.run(
      `sysctl -q net.inet6.ip6.auto_linklocal=0 net.inet6.ip6.dad_count=0 net.inet6.mld.v1enable=0 \\
         net.inet6.mld.v2enable=0 net.inet.ip.maxfragsperpacket=64 >/dev/null
       ifconfig lo0 inet 127.0.0.1/8 up
       ifconfig ${near.replace(/a$/, "b")} name ${WIRE} >/dev/null
       ifconfig ${WIRE} inet ${addresses.ipv4}/24 up
       ifconfig ${WIRE} inet6 ${addresses.ipv6}/64 alias no_dad
       ifconfig ${WIRE} inet6 ${local}%${WIRE}/64 alias no_dad`,
    );
    const scope = /scopeid (0x[0-9a-f]+)/.exec(await resident.run(`ifconfig ${WIRE} inet6`))?.[1];
    const sockets = new JailSockets(jail);
    const linkLocal = { address: local, scopeId: Number(scope) };
    const extras: object = { vnet: sockets };
    this.sites.push({ name, jail, sockets, extras, linkLocal, ...addresses });
  }

  /** Never addresses that a site just had: neighbours still know those. */
  #unused(): { ipv4: string; ipv6: string } {
    const host = FIRST_MOVED + (this.#moves++ % MOVED);
    return { ipv4: address4(host), ipv6: address6(host) };
  }

  async #readdress(site: FreebsdSite, to: readonly { ipv4: string; ipv6: string }[]): Promise<void> {
    const remove = `ifconfig ${WIRE} | while read family address rest; do
        case $family,$address in
          inet,*) ifconfig ${WIRE} inet $address -alias ;;
          inet6,2001:*) ifconfig ${WIRE} inet6 $address -alias ;;
        esac
      done`;
    const add = to.map(
      ({ ipv4, ipv6 }) => `ifconfig ${WIRE} inet ${ipv4}/24 alias
        ifconfig ${WIRE} inet6 ${ipv6}/64 alias no_dad`,
    );
    await this.at(site).run([remove, ...add].join("\n"));
  }

  /** Synchronous, so that it works while the process exits. */
  #remove(): void {
    for (const resident of this.#residents.values()) resident.removeFiles();
    const attempt = (file: string, ...args: string[]) => {
      try {
        execFileSync(file, args, { stdio: "ignore" });
      } catch {
        // It was not there any more.
      }
    };
    for (const jail of this.#jails.splice(0)) attempt("jail", "-r", jail);
    for (const pair of this.#pairs.splice(0)) attempt("ifconfig", pair, "destroy");
    if (this.#bridge !== "") attempt("ifconfig", this.#bridge, "destroy");
    this.#bridge = "";
  }
}
