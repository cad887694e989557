/**
 * Makes an interface be as described: MTU, addresses, up or down, routes.
 */
import type { ConfigureRequest, IpPrefix, RouteRequest } from "../core/backend.ts";
import { DcoError, invalid } from "../core/errors.ts";
import { IPV6_MIN_MTU } from "../core/validate.ts";
import { BypassRoutes } from "./bypass.ts";
import { isErrno } from "./exchange.ts";
import {
  addressText,
  ifaliasreq,
  ifconf,
  ifreqAddress,
  ifreqInt,
  in6Aliasreq,
  readAddresses,
  readConfLength,
  readMask,
  SIOCAIFADDR,
  SIOCAIFADDR_IN6,
  SIOCDIFADDR,
  SIOCDIFADDR_IN6,
  SIOCGIFCONF,
  SIOCGIFNETMASK,
  SIOCGIFNETMASK_IN6,
  SIOCSIFMTU,
} from "./ioctl.ts";
import { readMtu, setUp } from "./links.ts";
import type { Route } from "./route-message.ts";
import { addRoute, deleteRoute, routeText } from "./routes.ts";
import type { Stack } from "./stack.ts";

const FIRST_CONF_BYTES = 16384;

/** A peer's addresses in the tunnel. */
interface VpnGateways {
  readonly vpn4: Uint8Array | undefined;
  readonly vpn6: Uint8Array | undefined;
}

interface Address {
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** The configuration of one interface, and the routes that are ours. */
export class Configuration {
  readonly #stack: Stack;
  readonly #name: string;
  readonly #index: number;
  readonly #bypass: BypassRoutes;
  #routes: readonly Route[] = [];
  /** Routes to what is behind peers. */
  readonly #peerRoutes = new Map<number, readonly Route[]>();

  constructor(stack: Stack, { name, index }: { readonly name: string; readonly index: number }) {
    this.#stack = stack;
    this.#name = name;
    this.#index = index;
    this.#bypass = new BypassRoutes(stack, index);
  }

  /** Applies what is given; a failure leaves what was applied before it, and the next call starts from there. */
  apply(request: ConfigureRequest): void {
    const { mtu, addresses, up, routes, bypass } = request;
    this.#checkIpv6(request);
    // First of all, while the way out is not yet the tunnel.
    if (bypass) this.#bypass.set(bypass);
    if (mtu !== undefined) this.#stack.ioctl(SIOCSIFMTU, ifreqInt(this.#name, mtu));
    if (addresses) this.#setAddresses(addresses);
    if (up !== undefined) setUp(this.#stack, this.#name, up);
    if (routes) this.#setRoutes(routes);
    else if (up || addresses) this.restoreRoutes();
  }

  /** Adds our routes again, where they are gone: with an address or with the link. */
  restoreRoutes(): void {
    const failures: unknown[] = [];
    for (const route of [...this.#routes, ...[...this.#peerRoutes.values()].flat()]) {
      try {
        this.#add(route, true, "routes");
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /**
   * Makes the routes to what is behind a peer be these: through its VPN address, by which the kernel finds the peer
   * in multipeer mode; in p2p mode, where it has none, through the interface.
   */
  setPeerRoutes(peer: number, prefixes: readonly IpPrefix[], vpn: VpnGateways): void {
    const wanted = prefixes.map((prefix) => ({
      destination: prefix.bytes,
      prefixLength: prefix.length,
      gateway: prefix.family === 4 ? vpn.vpn4 : vpn.vpn6,
      interface: this.#index,
    }));
    this.#checkGateways(wanted);
    const have = this.#peerRoutes.get(peer) ?? [];
    if (wanted.length > 0) this.#peerRoutes.set(peer, wanted);
    else this.#peerRoutes.delete(peer);
    this.#replace(have, wanted);
  }

  /** Takes back what would outlive the interface. */
  close(): void {
    this.#bypass.clear();
  }

  /** The kernel would take one through an address of our own, and send nothing by it. */
  #checkGateways(routes: readonly Route[]): void {
    const gateways = routes.flatMap(({ gateway }) => gateway ?? []);
    if (gateways.length === 0) return;
    const own = this.#addresses().find(({ bytes }) => gateways.some((gateway) => isEqual(gateway, bytes)));
    if (own === undefined) return;
    throw invalid("routes", `they would lead through ${addressText(own.bytes)}, the interface's own address`);
  }

  /** IPv6 does not work over a link with less. */
  #checkIpv6({ mtu, addresses }: ConfigureRequest): void {
    if (mtu !== undefined && mtu < IPV6_MIN_MTU && addresses === undefined) {
      const lost = this.#addresses().some(({ bytes }) => bytes.length === 16 && !isLinkLocal(bytes));
      if (lost)
        throw invalid("mtu", `the IPv6 addresses need ${IPV6_MIN_MTU} bytes, not ${mtu}`, { effect: "none" });
    }
    const at = mtu === undefined ? (addresses?.findIndex(({ family }) => family === 6) ?? -1) : -1;
    if (at < 0) return;
    const now = readMtu(this.#stack, this.#name);
    if (now >= IPV6_MIN_MTU) return;
    const problem = `IPv6 needs an MTU of ${IPV6_MIN_MTU} bytes, and the interface has ${now}`;
    throw invalid(`addresses[${at}]`, problem, { effect: "none" });
  }

  #setAddresses(wanted: readonly IpPrefix[]): void {
    const present = this.#addresses();
    for (const have of present) {
      if (isLinkLocal(have.bytes) || wanted.some((want) => isSame(want, have))) continue;
      this.#removeAddress(have.bytes);
    }
    for (const want of wanted) {
      if (present.some((have) => isSame(want, have))) continue;
      if (want.family === 6)
        this.#stack.ioctl6(SIOCAIFADDR_IN6, in6Aliasreq(this.#name, want.bytes, want.length));
      else this.#stack.ioctl(SIOCAIFADDR, ifaliasreq(this.#name, want.bytes, want.length));
    }
  }

  #removeAddress(address: Uint8Array): void {
    const request = ifreqAddress(this.#name, address);
    try {
      if (address.length === 16) this.#stack.ioctl6(SIOCDIFADDR_IN6, request);
      else this.#stack.ioctl(SIOCDIFADDR, request);
    } catch (error) {
      if (!isErrno(error, "EADDRNOTAVAIL")) throw error;
    }
  }

  #addresses(): Address[] {
    for (let size = FIRST_CONF_BYTES; ; size *= 2) {
      const bytes = Buffer.alloc(size);
      const request = ifconf(size, this.#stack.system.ffi.addressOf(bytes));
      this.#stack.ioctl(SIOCGIFCONF, request);
      const length = readConfLength(request);
      // What does not fit is left out without a word.
      if (length > size / 2) continue;
      return readAddresses(bytes.subarray(0, length))
        .filter(({ name }) => name === this.#name)
        .map(({ bytes: address }) => ({ bytes: address, length: this.#prefixLength(address) }));
    }
  }

  #prefixLength(address: Uint8Array): number {
    const request = ifreqAddress(this.#name, address);
    if (address.length === 16) {
      this.#stack.ioctl6(SIOCGIFNETMASK_IN6, request);
      return readMask(request, 6);
    }
    this.#stack.ioctl(SIOCGIFNETMASK, request);
    return readMask(request, 4);
  }

  #setRoutes(routes: readonly RouteRequest[]): void {
    const have = this.#routes;
    this.#routes = routes.map(({ destination, via }) => ({
      destination: destination.bytes,
      prefixLength: destination.length,
      gateway: via?.bytes,
      interface: this.#index,
    }));
    this.#replace(have, this.#routes);
  }

  #replace(have: readonly Route[], wanted: readonly Route[]): void {
    const [before, after] = [new Set(have.map(routeText)), new Set(wanted.map(routeText))];
    for (const route of have) if (!after.has(routeText(route))) deleteRoute(this.#stack, route);
    for (const [at, route] of wanted.entries())
      this.#add(route, before.has(routeText(route)), `routes[${at}]`);
  }

  /** @param isOurs one that is there already is this one */
  #add(route: Route, isOurs: boolean, field: string): void {
    try {
      addRoute(this.#stack, route);
    } catch (error) {
      if (isErrno(error, "EEXIST")) {
        if (isOurs) return;
        const problem = `${field}: somebody else has a route to ${routeText(route)}`;
        throw new DcoError("exists", problem, { field, cause: error });
      }
      // Without an address of its family an interface takes no route: it is added when there is one.
      if (!isErrno(error, "ENETUNREACH", "ENETDOWN", "EADDRNOTAVAIL")) throw error;
    }
  }
}

function isSame(want: IpPrefix, have: Address): boolean {
  return want.length === have.length && isEqual(want.bytes, have.bytes);
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

/** fe80::/10 addresses are the kernel's own business. */
function isLinkLocal(address: Uint8Array): boolean {
  return address.length === 16 && address[0] === 0xfe && ((address[1] as number) & 0xc0) === 0x80;
}
