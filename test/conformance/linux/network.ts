/**
 * The sites on Linux: network namespaces on one bridge, made by this run and taken away at its end.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import type { Site } from "../world.ts";
import { run } from "./command.ts";
import { Resident } from "./resident.ts";
import { holdStaticKeys } from "./static-keys.ts";

/** A site that is a network namespace. */
export interface LinuxSite extends Site {
  readonly namespace: string;
  readonly number: number;
}

/** The interface of a site that leads outside. */
const WIRE = "wire";

/** Namespaces of a run have its process id, so that those of a killed run can be told. */
const PREFIX = "dcokit-";

/** Prefixes for documentation (RFC 5737, RFC 3849): nothing real has them. */
const address4 = (host: number) => `192.0.2.${host}`;
const address6 = (host: number) => `2001:db8::${host.toString(16)}`;

/** Host numbers of addresses that sites move to; up to 254 they may repeat. */
const FIRST_MOVED = 20;
const MOVED = 200;

/** The namespaces of one run. */
export class Network {
  readonly sites: LinuxSite[] = [];
  readonly #hub = `${PREFIX}${process.pid}-hub`;
  readonly #namespaces = [this.#hub];
  readonly #residents = new Map<string, Resident>();
  readonly #onExit = () => this.#remove();
  #releaseKeys: (() => void) | undefined;
  #moves = 0;

  private constructor() {
    process.once("exit", this.#onExit);
  }

  /** Makes a server's site and three clients' on one network. */
  static async create(): Promise<Network> {
    removeLeftBehind();
    const network = new Network();
    try {
      await run("ip", ["netns", "add", network.#hub]);
      await run("ip", ["-n", network.#hub, "link", "add", "bridge", "up", "type", "bridge"]);
      network.#releaseKeys = holdStaticKeys();
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
  interfacesAt(site: LinuxSite): string[] {
    const found = this.at(site).interfaces();
    return found.filter((name) => name !== "lo" && name !== WIRE);
  }

  /** Names interfaces that are left at the sites, and takes them away. */
  async takeInterfaces(): Promise<string[]> {
    const found: string[] = [];
    for (const site of this.sites) {
      for (const left of this.interfacesAt(site)) {
        found.push(`interface ${left} at ${site.name}`);
        await this.at(site).run(`ip link del ${left}`);
      }
    }
    return found;
  }

  /** Gives a site other addresses on its wire. */
  async move(site: LinuxSite): Promise<{ ipv4: string; ipv6: string }> {
    const moved = this.#unused();
    await this.#readdress(site, moved);
    return moved;
  }

  /** Gives a site more addresses on its wire, which are not the first choice for what it sends. */
  async addAddresses(site: LinuxSite): Promise<{ ipv4: string; ipv6: string }> {
    const added = this.#unused();
    await this.at(site).run(
      `ip addr add ${added.ipv4}/24 dev ${WIRE}
       ip addr add ${added.ipv6}/64 dev ${WIRE} nodad preferred_lft 0`,
    );
    return added;
  }

  /** Takes back what `move` and `addAddresses` did. */
  moveBack(site: LinuxSite): Promise<void> {
    return this.#readdress(site, site);
  }

  async close(): Promise<void> {
    process.removeListener("exit", this.#onExit);
    this.#releaseKeys?.();
    await Promise.all([...this.#residents.values()].map((resident) => resident.close()));
    this.#remove();
  }

  async #add(name: string): Promise<void> {
    const namespace = `${PREFIX}${process.pid}-${name}`;
    this.#namespaces.push(namespace);
    await run("ip", ["netns", "add", namespace]);
    const resident = new Resident(namespace);
    this.#residents.set(name, resident);
    await resident.ready();
    const number = this.sites.length + 1;
    const port = ["link", "add", `port${number}`, "master", "bridge", "up", "type", "veth"];
    await run("ip", ["-n", this.#hub, ...port, "peer", "name", WIRE, "netns", namespace]);
    const addresses = { ipv4: address4(number), ipv6: address6(number) };
    const local = `fe80::${number}`;
    // The SDK's interfaces get no link-local address and ask for no router: every packet in a tunnel is a case's.
    const link = await resident.run(
      `ip link set lo up
       ip addr add ${addresses.ipv4}/24 dev ${WIRE}
       ip addr add ${addresses.ipv6}/64 dev ${WIRE} nodad
       ip addr add ${local}/64 dev ${WIRE} nodad
       ip link set ${WIRE} up
       echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode
       echo 0 > /proc/sys/net/ipv6/conf/default/accept_ra
       ip -o link show dev ${WIRE}`,
    );
    const linkLocal = { address: local, scopeId: Number.parseInt(link, 10) };
    const extras: object = { namespace };
    this.sites.push({ name, namespace, number, extras, linkLocal, ...addresses });
  }

  /** Never addresses that a site just had: neighbours still know those. */
  #unused(): { ipv4: string; ipv6: string } {
    const host = FIRST_MOVED + (this.#moves++ % MOVED);
    return { ipv4: address4(host), ipv6: address6(host) };
  }

  async #readdress(site: LinuxSite, to: { ipv4: string; ipv6: string }): Promise<void> {
    await this.at(site).run(
      `ip addr flush dev ${WIRE} scope global
       ip addr add ${to.ipv4}/24 dev ${WIRE}
       ip addr add ${to.ipv6}/64 dev ${WIRE} nodad`,
    );
  }

  /** Synchronous, so that it works while the process exits. */
  #remove(): void {
    for (const resident of this.#residents.values()) resident.removeFiles();
    for (const name of this.#namespaces) {
      if (existsSync(`/run/netns/${name}`)) spawnSync("ip", ["netns", "del", name]);
    }
  }
}

/** Namespaces of runs that were killed. */
function removeLeftBehind(): void {
  const names = existsSync("/run/netns") ? readdirSync("/run/netns") : [];
  for (const name of names) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) spawnSync("ip", ["netns", "del", name]);
  }
}
