/**
 * Host routes that keep addresses outside the tunnel, such as the VPN server's, whatever routes lead into it.
 */
import type { IpAddress } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import type { NamespaceContext } from "./context.ts";
import { RTNL_FORMAT } from "./formats.ts";
import {
  decodeRoute,
  deleteRoute,
  getRoute,
  newRoute,
  type RouteRequest,
  RTPROT_STATIC,
} from "./netlink/route.ts";

/** The bypass routes of one interface. They are on other interfaces, so they must be taken back in the end. */
export class BypassRoutes {
  readonly #context: NamespaceContext;
  readonly #ifindex: number;
  /** Ours, by address; undefined where none was needed, or somebody else's is there. */
  readonly #routes = new Map<string, RouteRequest | undefined>();

  /** @param ifindex the tunnel's interface */
  constructor(context: NamespaceContext, ifindex: number) {
    this.#context = context;
    this.#ifindex = ifindex;
  }

  /**
   * Makes exactly these addresses bypass the tunnel, each the way that it is reached now.
   *
   * Errors: `socket`, for an address that nothing but the tunnel leads to.
   */
  set(addresses: readonly IpAddress[]): void {
    const wanted = new Set(addresses.map(({ text }) => text));
    for (const text of [...this.#routes.keys()]) if (!wanted.has(text)) this.#remove(text);
    for (const address of addresses) {
      if (!this.#routes.has(address.text)) this.#routes.set(address.text, this.#add(address));
    }
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

  #add(address: IpAddress): RouteRequest | undefined {
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
    const route: RouteRequest = {
      destination,
      prefixLength: destination.length * 8,
      gateway: way.gateway,
      interface: way.interface,
      protocol: RTPROT_STATIC,
    };
    try {
      rtnl.request(RTNL_FORMAT, (to, seq) => newRoute(to, seq, route));
      return route;
    } catch (error) {
      if (DcoError.is(error) && error.code === "exists") return undefined;
      throw error;
    }
  }

  #remove(text: string): void {
    const route = this.#routes.get(text);
    this.#routes.delete(text);
    if (route === undefined) return;
    try {
      this.#context.rtnl.request(RTNL_FORMAT, (to, seq) => deleteRoute(to, seq, route));
    } catch (error) {
      if (!DcoError.is(error) || error.code !== "not-found") throw error;
    }
  }
}
