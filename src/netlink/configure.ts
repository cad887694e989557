/**
 * Makes an interface be as described: MTU, addresses, up or down, routes.
 */
import type { ConfigureRequest, IpPrefix, RouteRequest } from "../core/backend.ts";
import { invalid, withEffect } from "../core/errors.ts";
import { IPV6_MIN_MTU } from "../core/validate.ts";
import { Addresses } from "./addresses.ts";
import { BypassRoutes } from "./bypass.ts";
import { setLink } from "./codec/link.ts";
import type { NetworkContext } from "./context.ts";
import { RTNL_FORMAT } from "./formats.ts";
import { findLink } from "./links.ts";
import { type OwnRoute, OwnRoutes } from "./routes.ts";

/** As OpenVPN gives to the routes of its clients: those that the server itself wants come first. */
const PEER_ROUTE_METRIC = 100;

/** A peer's addresses in the tunnel. */
interface VpnGateways {
  readonly vpn4: Uint8Array | undefined;
  readonly vpn6: Uint8Array | undefined;
}

/** The configuration of one interface, and the routes that are ours. */
export class Configuration {
  readonly #context: NetworkContext;
  readonly #index: number;
  readonly #bypass: BypassRoutes;
  readonly #addresses: Addresses;
  readonly #own: OwnRoutes;
  #routes: readonly OwnRoute[] = [];
  /** Routes to what is behind peers. */
  readonly #peerRoutes = new Map<number, readonly OwnRoute[]>();

  constructor(context: NetworkContext, index: number) {
    this.#context = context;
    this.#index = index;
    this.#own = new OwnRoutes(context);
    this.#bypass = new BypassRoutes(context, this.#own, index);
    this.#addresses = new Addresses(context, index);
  }

  /** Applies what is given; a failure leaves what was applied before it, and the next call starts from there. */
  apply(request: ConfigureRequest): void {
    const { mtu, addresses, up, routes, bypass } = request;
    this.#checkIpv6(request);
    let applied = false;
    const step = (body: () => void) => {
      try {
        body();
      } catch (error) {
        throw applied ? withEffect(error, "unknown") : error;
      }
      applied = true;
    };
    // First of all, while the way out is not yet the tunnel.
    if (bypass) step(() => this.#bypass.add(bypass));
    if (mtu !== undefined) step(() => this.#setLink({ mtu }));
    if (addresses) step(() => this.#addresses.set(addresses));
    if (up !== undefined) step(() => this.#setLink({ up }));
    if (routes) step(() => this.#setRoutes(routes));
    // When it is the tunnel no more.
    if (bypass) step(() => this.#bypass.keep(bypass));
    // With its last address an interface loses all its routes.
    if (addresses || up) step(() => this.restore());
  }

  /**
   * Adds again what the kernel forgets when an interface goes down: routes, and IPv6 addresses.
   *
   * Errors: `exists`, for a route in whose place somebody else has put one.
   */
  restore(): void {
    this.#addresses.restore();
    this.#own.restore([...this.#routes, ...[...this.#peerRoutes.values()].flat()]);
  }

  /** Another interface of the namespace is up, perhaps again: bypass routes through it are put back. */
  restoreBypass(ifindex: number): void {
    this.#bypass.restore(ifindex);
  }

  /** Takes back what would outlive the interface. */
  close(): void {
    this.#bypass.clear();
  }

  /** On a link with less than IPv6 needs the kernel removes such addresses without a word, and takes no new ones. */
  #checkIpv6({ mtu, addresses }: ConfigureRequest): void {
    if (mtu !== undefined && mtu < IPV6_MIN_MTU && addresses === undefined && this.#addresses.hasIpv6) {
      throw invalid("mtu", `the IPv6 addresses need ${IPV6_MIN_MTU} bytes, not ${mtu}`, { effect: "none" });
    }
    const at = mtu === undefined ? (addresses?.findIndex(({ family }) => family === 6) ?? -1) : -1;
    if (at < 0) return;
    const now = findLink(this.#context, { index: this.#index })?.mtu;
    if (now !== undefined && now < IPV6_MIN_MTU) {
      const problem = `IPv6 needs an MTU of ${IPV6_MIN_MTU} bytes, and the interface has ${now}`;
      throw invalid(`addresses[${at}]`, problem, { effect: "none" });
    }
  }

  #setLink(change: { mtu?: number; up?: boolean }): void {
    this.#context.rtnl.request(RTNL_FORMAT, (to, seq) => setLink(to, seq, this.#index, change));
  }

  /**
   * Makes the routes to what is behind a peer be these: through its VPN address, by which the kernel finds the
   * peer in multipeer mode; in p2p mode, where it has none, through the interface.
   *
   * Errors: `exists` with the field, without effect.
   */
  setPeerRoutes(peer: number, prefixes: readonly IpPrefix[], vpn: VpnGateways): void {
    const wanted = prefixes.map((prefix, at) => {
      const gateway = prefix.family === 4 ? vpn.vpn4 : vpn.vpn6;
      return {
        field: `routes[${at}]`,
        destination: prefix.bytes,
        prefixLength: prefix.length,
        interface: this.#index,
        gateway,
        // The peer's address need not lie in the interface's own prefix.
        onlink: gateway !== undefined,
        metric: PEER_ROUTE_METRIC,
      };
    });
    this.#own.change(this.#peerRoutes.get(peer) ?? [], wanted);
    if (wanted.length > 0) this.#peerRoutes.set(peer, wanted);
    else this.#peerRoutes.delete(peer);
  }

  #setRoutes(routes: readonly RouteRequest[]): void {
    const wanted = routes.map((route, at) => ({
      field: `routes[${at}]`,
      destination: route.destination.bytes,
      prefixLength: route.destination.length,
      interface: this.#index,
      gateway: route.via?.bytes,
      onlink: false,
      metric: route.metric,
    }));
    this.#own.change(this.#routes, wanted);
    this.#routes = wanted;
  }
}
