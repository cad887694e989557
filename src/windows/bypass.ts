/**
 * Host routes that keep addresses outside the tunnel, such as the VPN server's, whatever routes lead into it.
 */
import type { IpAddress } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import type { IpRoute } from "./ip-rows.ts";
import type { IpHelper } from "./win32/iphelper.ts";

/** The bypass routes of one interface. They are on other interfaces, so they must be taken back in the end. */
export class BypassRoutes {
  readonly #ip: IpHelper;
  readonly #luid: bigint;
  /** Ours, by address; undefined where none was needed, or somebody else's is there. */
  readonly #routes = new Map<string, IpRoute | undefined>();

  /** @param luid the tunnel's interface */
  constructor(ip: IpHelper, luid: bigint) {
    this.#ip = ip;
    this.#luid = luid;
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

  #add(address: IpAddress): IpRoute | undefined {
    const way = this.#ip.findRoute(address.bytes);
    if (way === undefined || way.luid === this.#luid) {
      const problem = `only the tunnel leads to ${address.text}; set it before the routes`;
      throw new DcoError("socket", `bypass: ${way ? problem : `nothing leads to ${address.text}`}`, {
        field: "bypass",
        effect: "none",
      });
    }
    // An address of this machine, or one that has a route of its own, needs none.
    if (way.isHost) return undefined;
    const { bytes: destination } = address;
    const { luid, nextHop } = way;
    const route = { luid, destination, prefixLength: destination.length * 8, nextHop, metric: 0 };
    try {
      this.#ip.addRoute(route);
      return route;
    } catch (error) {
      if (DcoError.is(error) && error.code === "exists") return undefined;
      throw error;
    }
  }

  #remove(text: string): void {
    const route = this.#routes.get(text);
    if (route) this.#ip.deleteRoute(route);
    this.#routes.delete(text);
  }
}
