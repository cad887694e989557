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

/** Its index: namespaces number interfaces by themselves, and it is asked for this one. */
const SCOPE = 10;

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
  readonly sites: readonly LinuxSite[];
  readonly #namespaces: readonly string[];
  readonly #residents = new Map<Site, Resident>();
  readonly #onExit = () => this.#remove();
  #releaseKeys: (() => void) | undefined;
  #moves = 0;

  private constructor(hub: string, sites: readonly LinuxSite[]) {
    this.sites = sites;
    this.#namespaces = [hub, ...sites.map((site) => site.namespace)];
  }

  /** Makes a server's site and three clients' on one network. */
  static async create(): Promise<Network> {
    removeLeftBehind();
    const hub = `${PREFIX}${process.pid}-hub`;
    const sites = ["server", "client1", "client2", "client3"].map((name, at) => {
      const namespace = `${PREFIX}${process.pid}-${name}`;
      const number = at + 1;
      const extras: object = { namespace };
      const linkLocal = { address: `fe80::${number}`, scopeId: SCOPE };
      return { name, namespace, number, extras, linkLocal, ipv4: address4(number), ipv6: address6(number) };
    });
    const network = new Network(hub, sites);
    process.once("exit", network.#onExit);
    try {
      await run("ip", ["netns", "add", hub]);
      await run("ip", ["-n", hub, "link", "add", "bridge", "up", "type", "bridge"]);
      network.#releaseKeys = holdStaticKeys();
      for (const site of sites) await network.#add(hub, site);
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  /** The shell at a site. */
  at(site: Site): Resident {
    return this.#residents.get(site) as Resident;
  }

  /** Interfaces at a site that are not the network's own. */
  interfacesAt(site: LinuxSite): string[] {
    const found = this.at(site).interfaces();
    return found.filter((name) => name !== "lo" && name !== WIRE);
  }

  /** Gives a site other addresses on its wire. */
  async move(site: LinuxSite): Promise<{ ipv4: string; ipv6: string }> {
    // Never the one that it just had: neighbours still know that one.
    const host = FIRST_MOVED + (this.#moves++ % MOVED);
    const moved = { ipv4: address4(host), ipv6: address6(host) };
    await this.#readdress(site, moved);
    return moved;
  }

  /** Takes back what `move` did. */
  moveBack(site: LinuxSite): Promise<void> {
    return this.#readdress(site, site);
  }

  async close(): Promise<void> {
    process.removeListener("exit", this.#onExit);
    this.#releaseKeys?.();
    await Promise.all([...this.#residents.values()].map((resident) => resident.close()));
    this.#remove();
  }

  async #add(hub: string, site: LinuxSite): Promise<void> {
    const { namespace, number } = site;
    await run("ip", ["netns", "add", namespace]);
    const resident = new Resident(namespace);
    this.#residents.set(site, resident);
    await resident.ready();
    const port = ["link", "add", `port${number}`, "master", "bridge", "up", "type", "veth"];
    await run("ip", ["-n", hub, ...port, "peer", "name", WIRE, "index", `${SCOPE}`, "netns", namespace]);
    // The SDK's interfaces get no link-local address and ask for no router: every packet in a tunnel is a case's.
    await resident.run(
      `ip link set lo up
       ip addr add ${site.ipv4}/24 dev ${WIRE}
       ip addr add ${site.ipv6}/64 dev ${WIRE} nodad
       ip addr add ${site.linkLocal.address}/64 dev ${WIRE} nodad
       ip link set ${WIRE} up
       echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode
       echo 0 > /proc/sys/net/ipv6/conf/default/accept_ra`,
    );
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
