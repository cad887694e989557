/**
 * Makes an interface be as described: MTU, addresses, up or down, routes.
 */
import type { ConfigureRequest, IpPrefix, RouteRequest } from "../core/backend.ts";
import { DcoError, invalid } from "../core/errors.ts";
import { IPV6_MIN_MTU } from "../core/validate.ts";
import { BypassRoutes } from "./bypass.ts";
import type { NamespaceContext } from "./context.ts";
import { RTNL_FORMAT } from "./formats.ts";
import { findLink } from "./links.ts";
import {
  type AddressInfo,
  decodeAddress,
  deleteAddress,
  dumpAddresses,
  IFA_F_NODAD,
  newAddress,
} from "./netlink/address.ts";
import { setLink } from "./netlink/link.ts";
import { deleteRoute, newRoute, RTPROT_STATIC, type RouteRequest as WireRoute } from "./netlink/route.ts";

const ESRCH = 3;
const ENODEV = 19;
const EADDRNOTAVAIL = 99;
const ENETDOWN = 100;

/** As OpenVPN gives to the routes of its clients: those that the server itself wants come first. */
const PEER_ROUTE_METRIC = 100;

/** A peer's addresses in the tunnel. */
interface VpnGateways {
  readonly vpn4: Uint8Array | undefined;
  readonly vpn6: Uint8Array | undefined;
}

/** The configuration of one interface, and the routes that are ours. */
export class Configuration {
  readonly #context: NamespaceContext;
  readonly #index: number;
  readonly #bypass: BypassRoutes;
  #routes: readonly WireRoute[] = [];
  /** Routes to what is behind peers. */
  readonly #peerRoutes = new Map<number, readonly WireRoute[]>();

  constructor(context: NamespaceContext, index: number) {
    this.#context = context;
    this.#index = index;
    this.#bypass = new BypassRoutes(context, index);
  }

  /** Applies what is given; a failure leaves what was applied before it, and the next call starts from there. */
  apply(request: ConfigureRequest): void {
    const { mtu, addresses, up, routes, bypass } = request;
    this.#checkIpv6(request);
    // First of all, while the way out is not yet the tunnel.
    if (bypass) this.#bypass.set(bypass);
    if (mtu !== undefined) this.#setLink({ mtu });
    if (addresses) this.#setAddresses(addresses);
    if (up !== undefined) this.#setLink({ up });
    if (routes) this.#setRoutes(routes);
    else if (up) this.restoreRoutes();
  }

  /** Adds our routes again: the kernel forgets IPv4 routes when an interface goes down. */
  restoreRoutes(): void {
    const failures: unknown[] = [];
    for (const route of [...this.#routes, ...[...this.#peerRoutes.values()].flat()]) {
      try {
        this.#addRoute(route);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Takes back what would outlive the interface. */
  close(): void {
    this.#bypass.clear();
  }

  /** On a link with less than IPv6 needs the kernel removes such addresses without a word, and takes no new ones. */
  #checkIpv6({ mtu, addresses }: ConfigureRequest): void {
    if (mtu !== undefined && mtu < IPV6_MIN_MTU && addresses === undefined) {
      const lost = this.#addresses().some(({ address }) => address.length === 16 && !isLinkLocal(address));
      if (lost)
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

  #setAddresses(wanted: readonly IpPrefix[]): void {
    const present = this.#addresses();
    for (const have of present) {
      if (isLinkLocal(have.address) || wanted.some((want) => isSame(want, have))) continue;
      ignoring([EADDRNOTAVAIL], () =>
        this.#context.rtnl.request(RTNL_FORMAT, (to, seq) => deleteAddress(to, seq, have)),
      );
    }
    for (const want of wanted) {
      if (present.some((have) => isSame(want, have))) continue;
      const address = { index: this.#index, address: want.bytes, prefixLength: want.length };
      // There is nobody on the link to ask for duplicates, and a tentative address could not be used yet.
      const flags = want.family === 6 ? { flags: IFA_F_NODAD } : {};
      this.#context.rtnl.request(RTNL_FORMAT, (to, seq) =>
        newAddress(to, seq, { ...address, ...flags }, "replace"),
      );
    }
  }

  /**
   * Makes the routes to what is behind a peer be these: through its VPN address, by which the kernel finds the
   * peer in multipeer mode; in p2p mode, where it has none, through the interface.
   */
  setPeerRoutes(peer: number, prefixes: readonly IpPrefix[], vpn: VpnGateways): void {
    const wanted = prefixes.map((prefix) => {
      const gateway = prefix.family === 4 ? vpn.vpn4 : vpn.vpn6;
      return {
        destination: prefix.bytes,
        prefixLength: prefix.length,
        interface: this.#index,
        gateway,
        // The peer's address need not lie in the interface's own prefix.
        onlink: gateway !== undefined,
        metric: PEER_ROUTE_METRIC,
        protocol: RTPROT_STATIC,
      };
    });
    const have = this.#peerRoutes.get(peer) ?? [];
    if (wanted.length > 0) this.#peerRoutes.set(peer, wanted);
    else this.#peerRoutes.delete(peer);
    this.#replace(have, wanted);
  }

  #addresses(): AddressInfo[] {
    return this.#context.rtnl
      .request(RTNL_FORMAT, (to, seq) => dumpAddresses(to, seq, this.#index), copyAddress)
      .filter((address) => address.index === this.#index);
  }

  #setRoutes(routes: readonly RouteRequest[]): void {
    const have = this.#routes;
    this.#routes = routes.map((route) => this.#wire(route));
    this.#replace(have, this.#routes);
  }

  #replace(have: readonly WireRoute[], wanted: readonly WireRoute[]): void {
    const kept = new Set(wanted.map(wireText));
    for (const route of have) {
      if (kept.has(wireText(route))) continue;
      ignoring([ESRCH, ENODEV, ENETDOWN], () =>
        this.#context.rtnl.request(RTNL_FORMAT, (to, seq) => deleteRoute(to, seq, route)),
      );
    }
    for (const route of wanted) this.#addRoute(route);
  }

  #addRoute(route: WireRoute): void {
    // An interface that is down takes no routes; they are added when it comes up.
    ignoring([ENETDOWN], () =>
      this.#context.rtnl.request(RTNL_FORMAT, (to, seq) => newRoute(to, seq, route, "replace")),
    );
  }

  #wire(route: RouteRequest): WireRoute {
    return {
      destination: route.destination.bytes,
      prefixLength: route.destination.length,
      interface: this.#index,
      gateway: route.via?.bytes,
      metric: route.metric,
      protocol: RTPROT_STATIC,
    };
  }
}

function wireText({ destination, prefixLength, gateway, metric }: WireRoute): string {
  return `${destination.join(".")}/${prefixLength} ${gateway?.join(".")} ${metric}`;
}

function copyAddress(message: Parameters<typeof decodeAddress>[0]): AddressInfo | undefined {
  const info = decodeAddress(message);
  return (
    info && { ...info, address: Uint8Array.from(info.address), peer: info.peer && Uint8Array.from(info.peer) }
  );
}

function isSame(want: IpPrefix, have: AddressInfo): boolean {
  return want.length === have.prefixLength && Buffer.compare(want.bytes, have.address) === 0;
}

/** fe80::/10 addresses are the kernel's own business. */
function isLinkLocal(address: Uint8Array): boolean {
  return address.length === 16 && address[0] === 0xfe && ((address[1] as number) & 0xc0) === 0x80;
}

function ignoring(errnos: readonly number[], body: () => unknown): void {
  try {
    body();
  } catch (error) {
    if (!DcoError.is(error) || !errnos.includes(error.native?.number ?? 0)) throw error;
  }
}
