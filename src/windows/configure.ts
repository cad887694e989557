/**
 * Makes an adapter be as described: MTU, addresses, routes, and the way around the tunnel. The driver raises the link.
 */
import type { ConfigureRequest, IpPrefix } from "../core/backend.ts";
import { DcoError, invalid } from "../core/errors.ts";
import { throwIfAborted } from "../core/lifetime.ts";
import { IPV6_MIN_MTU } from "../core/validate.ts";
import { BypassRoutes } from "./bypass.ts";
import { type IpRoute, routeText, type UnicastAddress } from "./ip-rows.ts";
import type { IpHelper } from "./win32/iphelper.ts";

/** How often, and how far apart, the system is asked whether IP runs on a link that has come up. */
const IP_TRIES = 40;
const IP_WAIT_MS = 50;

/** Routes that are set, by what tells them apart. */
type Routes = Map<string, IpRoute>;

/** The configuration of one adapter, and what of it is ours. */
export class Configuration {
  readonly #ip: IpHelper;
  readonly #luid: bigint;
  readonly #bypass: BypassRoutes;
  #addresses: readonly UnicastAddress[] = [];
  /** What is set, also after a failure half-way. */
  readonly #routes: Routes = new Map();
  /** Routes to what is behind peers. */
  readonly #peerRoutes = new Map<number, Routes>();

  constructor(ip: IpHelper, luid: bigint) {
    this.#ip = ip;
    this.#luid = luid;
    this.#bypass = new BypassRoutes(ip, luid);
  }

  /** Applies what is given; a failure leaves what was applied before it, and the next call starts from there. */
  async apply(request: ConfigureRequest, signal: AbortSignal | undefined): Promise<void> {
    const { mtu, addresses, routes, bypass } = request;
    // First of all, while the way out is not yet the tunnel.
    if (bypass) this.#bypass.set(bypass);
    if (mtu === undefined && !addresses && !routes) return;
    const families = await this.#families(request, signal);
    this.#checkIpv6(request);
    if (mtu !== undefined) this.#setMtu(mtu, families);
    if (addresses) this.#setAddresses(addresses);
    if (routes) this.#setRoutes(routes);
  }

  /** @param metric of the interface, to which those of routes are added */
  setMetric(metric: number | "automatic"): void {
    for (const family of [4, 6] as const) {
      if (this.#ip.hasIp(this.#luid, family)) this.#ip.change(this.#luid, family, { metric });
    }
  }

  /** Makes the routes to what is behind a peer be these. The driver finds the peer by its own table. */
  setPeerRoutes(peer: number, prefixes: readonly IpPrefix[]): void {
    const wanted = prefixes.map((prefix) => this.#route(prefix, undefined, 0));
    const have = this.#peerRoutes.get(peer) ?? new Map();
    this.#peerRoutes.set(peer, have);
    this.#replace(have, wanted, "routes");
    if (have.size === 0) this.#peerRoutes.delete(peer);
  }

  /** Takes back what would outlive the handle: the adapter stays, with all that it was given. */
  close(): void {
    this.#bypass.clear();
    const attempt = (step: () => void) => {
      try {
        step();
      } catch {
        // The adapter may be gone.
      }
    };
    for (const routes of [this.#routes, ...this.#peerRoutes.values()]) {
      for (const route of routes.values()) attempt(() => this.#ip.deleteRoute(route));
    }
    for (const address of this.#addresses) attempt(() => this.#ip.deleteAddress(this.#luid, address));
  }

  /** Waits until IP of those families that are wanted runs on the link. */
  async #families(
    { addresses = [], routes = [] }: ConfigureRequest,
    signal: AbortSignal | undefined,
  ): Promise<Set<4 | 6>> {
    const needed = new Set([
      ...addresses.map(({ family }) => family),
      ...routes.map(({ destination }) => destination.family),
    ]);
    if (needed.size === 0) needed.add(4);
    const has = () => new Set(([4, 6] as const).filter((family) => this.#ip.hasIp(this.#luid, family)));
    for (let tries = 1; ; tries++) {
      throwIfAborted(signal);
      const there = has();
      if ([...needed].every((family) => there.has(family))) return there;
      if (tries === IP_TRIES) {
        const missing = [...needed].filter((family) => !there.has(family));
        throw new DcoError("timeout", `IPv${missing.join(" and IPv")} does not come up on the adapter`);
      }
      await new Promise((resolve) => setTimeout(resolve, IP_WAIT_MS));
    }
  }

  /** IPv6 does not work over a link with less. */
  #checkIpv6({ mtu, addresses }: ConfigureRequest): void {
    if (mtu === undefined || mtu >= IPV6_MIN_MTU) return;
    const all = addresses ?? this.#ip.addresses(this.#luid);
    if (all.some(({ bytes }) => bytes.length === 16 && !isLinkLocal(bytes))) {
      throw invalid("mtu", `the IPv6 addresses need ${IPV6_MIN_MTU} bytes, not ${mtu}`, { effect: "none" });
    }
  }

  #setMtu(mtu: number, families: ReadonlySet<4 | 6>): void {
    for (const family of families) {
      if (family === 4 || mtu >= IPV6_MIN_MTU) this.#ip.change(this.#luid, family, { mtu });
    }
  }

  /** Exactly these: an earlier session's may have stayed. */
  #setAddresses(wanted: readonly IpPrefix[]): void {
    const have = this.#ip.addresses(this.#luid).filter(({ bytes }) => !isLinkLocal(bytes));
    for (const address of have) {
      if (!wanted.some((other) => isSame(address, other))) this.#ip.deleteAddress(this.#luid, address);
    }
    this.#addresses = wanted;
    for (const address of wanted) {
      if (!have.some((other) => isSame(address, other))) this.#ip.addAddress(this.#luid, address);
    }
  }

  #setRoutes(routes: NonNullable<ConfigureRequest["routes"]>): void {
    const wanted = routes.map(({ destination, via, metric }) =>
      this.#route(destination, via?.bytes, metric ?? 0),
    );
    this.#replace(this.#routes, wanted, (n) => `routes[${n}]`);
  }

  #route({ bytes, length }: IpPrefix, nextHop: Uint8Array | undefined, metric: number): IpRoute {
    return { luid: this.#luid, destination: bytes, prefixLength: length, nextHop, metric };
  }

  /**
   * @param have what is set: changed with each step, so that it is right where one fails
   * @param field what a route is called in errors, by its number
   */
  #replace(have: Routes, wanted: readonly IpRoute[], field: string | ((n: number) => string)): void {
    const key = (route: IpRoute) => `${routeText(route)} ${route.metric}`;
    const kept = new Set(wanted.map(key));
    for (const [old, route] of [...have]) {
      if (kept.has(old)) continue;
      this.#ip.deleteRoute(route);
      have.delete(old);
    }
    for (const [n, route] of wanted.entries()) {
      if (have.has(key(route))) continue;
      try {
        this.#ip.addRoute(route);
        have.set(key(route), route);
      } catch (error) {
        if (!DcoError.is(error) || error.code !== "exists") throw error;
        const path = typeof field === "string" ? field : field(n);
        const problem = `there is a route ${routeText(route)} already`;
        throw new DcoError("exists", `${path}: ${problem}`, {
          field: path,
          native: error.native,
          cause: error,
        });
      }
    }
  }
}

function isSame(one: UnicastAddress, other: UnicastAddress): boolean {
  return one.length === other.length && Buffer.compare(one.bytes, other.bytes) === 0;
}

function isLinkLocal(bytes: Uint8Array): boolean {
  if (bytes.length !== 16) return false;
  return bytes[0] === 0xfe && ((bytes[1] as number) & 0xc0) === 0x80;
}
