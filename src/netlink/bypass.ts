/**
 * Host routes that keep addresses outside the tunnel, such as the VPN server's, whatever routes lead into it.
 */
import type { IpAddress } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { decodeRoute, getRoute } from "./codec/route.ts";
import type { NetworkContext } from "./context.ts";
import { RTNL_FORMAT } from "./formats.ts";
import type { OwnRoute, OwnRoutes } from "./routes.ts";

/** The bypass routes of one interface. They are on other interfaces, so they must be taken back in the end. */
export class BypassRoutes {
  readonly #context: NetworkContext;
  readonly #own: OwnRoutes;
  readonly #ifindex: number;
  /** By address; undefined where none was needed. */
  readonly #routes = new Map<string, OwnRoute | undefined>();

  /** @param ifindex the tunnel's interface */
  constructor(context: NetworkContext, own: OwnRoutes, ifindex: number) {
    this.#context = context;
    this.#own = own;
    this.#ifindex = ifindex;
  }

  /**
   * Makes these addresses bypass the tunnel too, each the way that it is reached now.
   *
   * Errors: `socket`, for an address that nothing but the tunnel leads to.
   */
  add(addresses: readonly IpAddress[]): void {
    for (const [at, address] of addresses.entries()) {
      if (!this.#routes.has(address.text)) this.#routes.set(address.text, this.#add(address, at));
    }
  }

  /** Lets no others bypass it. */
  keep(addresses: readonly IpAddress[]): void {
    const wanted = new Set(addresses.map(({ text }) => text));
    for (const text of [...this.#routes.keys()]) if (!wanted.has(text)) this.#remove(text);
  }

  /** The kernel forgets routes through an interface that goes down; this one is up. */
  restore(ifindex: number): void {
    this.#own.restore(
      [...this.#routes.values()].filter((route) => route?.interface === ifindex) as OwnRoute[],
    );
  }

  /** Takes all back; goes on when one cannot be removed. */
  clear(): void {
    for (const text of [...this.#routes.keys()]) {
      try {
        this.#remove(text);
      } catch {
        // The interface that it was on may be gone, and the route with it.
      }
    }
  }

  #add(address: IpAddress, at: number): OwnRoute | undefined {
    const { rtnl } = this.#context;
    const destination = address.bytes;
    const [way] = rtnl.request(
      RTNL_FORMAT,
      (to, seq) => getRoute(to, seq, { destination }),
      (message) => {
        const route = decodeRoute(message);
        return route && { ...route, gateway: route.gateway && Uint8Array.from(route.gateway) };
      },
    );
    // An address of this machine needs no way out.
    if (way === undefined || way.type !== "unicast" || way.interface === undefined) return undefined;
    if (way.interface === this.#ifindex) {
      throw new DcoError(
        "socket",
        `bypass: only the tunnel leads to ${address.text}; set it before the routes`,
        {
          field: "bypass",
          effect: "none",
        },
      );
    }
    const route: OwnRoute = {
      field: `bypass[${at}]`,
      destination,
      prefixLength: destination.length * 8,
      gateway: way.gateway,
      // The gateway is known to be reachable, and the answer does not tell if by such a flag.
      onlink: way.gateway !== undefined,
      interface: way.interface,
      // Unlike that of any other tunnel, which may bypass the same address, and outlive this one.
      metric: this.#ifindex,
    };
    this.#own.change([], [route]);
    return route;
  }

  #remove(text: string): void {
    const route = this.#routes.get(text);
    this.#routes.delete(text);
    if (route) this.#own.change([route], []);
  }
}
