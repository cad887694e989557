/**
 * Routes that are ours: added, changed, put back and taken away without touching anybody else's.
 *
 * To the kernel a route is its destination and metric, whoever made it: adding with "replace" would take the
 * place of another program's, and removing with fields left out would hit one that only looks like ours.
 */
import { DcoError } from "../core/errors.ts";
import { formatIp } from "../core/ip.ts";
import {
  decodeRoute,
  deleteRoute,
  dumpRoutes,
  newRoute,
  type RouteInfo,
  type RouteRequest,
  RT_TABLE_MAIN,
  RTPROT_KERNEL,
  RTPROT_STATIC,
} from "./codec/route.ts";
import { AF_INET, AF_INET6 } from "./codec/rtnl.ts";
import type { NetworkContext } from "./context.ts";
import { RTNL_FORMAT } from "./formats.ts";

const ESRCH = 3;
const ENODEV = 19;
const ENETDOWN = 100;

/** What the kernel gives to an IPv6 route without a metric. */
const DEFAULT_METRIC6 = 1024;

/** A route of ours in the main table. */
export interface OwnRoute {
  /** Which argument asked for it, such as `routes[2]`. */
  readonly field: string;
  readonly destination: Uint8Array;
  readonly prefixLength: number;
  readonly gateway: Uint8Array | undefined;
  /** The gateway need not lie in a prefix of the interface. */
  readonly onlink: boolean;
  readonly interface: number;
  /** The kernel's default if undefined. */
  readonly metric: number | undefined;
}

/** Changes lists of our routes. */
export class OwnRoutes {
  readonly #context: NetworkContext;
  /** How many lists have a route. */
  readonly #users = new Map<string, number>();

  constructor(context: NetworkContext) {
    this.#context = context;
  }

  /**
   * Puts the routes `wanted` in the place of `have`, of the same list; a failure leaves `have`.
   *
   * Routes of an interface that is down are added when it comes up, see `restore`.
   *
   * Errors: `exists` with the field, for a destination and metric that somebody else has a route to.
   */
  change(have: readonly OwnRoute[], wanted: readonly OwnRoute[]): void {
    const ours = new Map(have.map((route) => [placeOf(route), route]));
    const undo: (() => void)[] = [];
    try {
      for (const route of wanted) {
        const before = ours.get(placeOf(route));
        if (before && identityOf(before) !== identityOf(route)) undo.push(this.#exchange(before, route));
        else if (this.#add(route) && !before) undo.push(() => this.#delete(route));
      }
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
    const places = new Set(wanted.map(placeOf));
    for (const route of have) {
      const users = this.#users.get(identityOf(route)) ?? 1;
      if (users === 1 && !places.has(placeOf(route))) this.#delete(route);
    }
    for (const route of wanted) this.#count(route, 1);
    for (const route of have) this.#count(route, -1);
  }

  /** Adds those that the kernel has dropped. Tries all of them, then fails as `change` does. */
  restore(routes: readonly OwnRoute[]): void {
    if (routes.length === 0) return;
    const there = new Set<string>();
    for (const ifindex of new Set(routes.map((route) => route.interface))) {
      for (const route of this.#present(ifindex)) there.add(identityOf(route));
    }
    const failures: unknown[] = [];
    for (const route of routes) {
      try {
        if (!there.has(identityOf(route))) this.#add(route);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** @returns whether the kernel has it now because of us */
  #add(route: OwnRoute): boolean {
    try {
      this.#request(route, "fail");
      return true;
    } catch (error) {
      if (isErrno(error, ENETDOWN)) return false;
      if (!DcoError.is(error) || error.code !== "exists") throw error;
      const inTheWay = this.#main(familyOf(route)).filter((each) => placeOf(each) === placeOf(route));
      if (inTheWay.some((each) => isAsGood(each, route))) return false;
      throw clash(route, inTheWay[0], error);
    }
  }

  /** Puts one of our routes in the place of another; @returns what puts it back. */
  #exchange(before: OwnRoute, route: OwnRoute): () => void {
    // It was ours, but that may be long ago.
    if (!this.#isThere(before)) {
      return this.#add(route) ? () => this.#delete(route) : () => {};
    }
    this.#request(route, "replace");
    return () => this.#request(before, "replace");
  }

  #delete(route: OwnRoute): void {
    // The kernel takes a field that is left out for "any".
    const isExact = route.metric !== undefined && route.metric > 0 && route.gateway !== undefined;
    if (!isExact && !this.#isThere(route)) return;
    try {
      this.#context.rtnl.request(RTNL_FORMAT, (to, seq) => deleteRoute(to, seq, wireOf(route)));
    } catch (error) {
      if (!isErrno(error, ESRCH, ENODEV, ENETDOWN)) throw error;
    }
  }

  #request(route: OwnRoute, onExisting: "fail" | "replace"): void {
    this.#context.rtnl.request(RTNL_FORMAT, (to, seq) => newRoute(to, seq, wireOf(route), onExisting));
  }

  #isThere(route: OwnRoute): boolean {
    return this.#present(route.interface, familyOf(route)).some(
      (each) => identityOf(each) === identityOf(route),
    );
  }

  /** Routes through an interface that could be ours. */
  #present(ifindex: number, family?: number): RouteInfo[] {
    try {
      return this.#main(family, ifindex).filter(
        (route) => route.interface === ifindex && route.protocol === RTPROT_STATIC,
      );
    } catch (error) {
      if (isErrno(error, ENODEV)) return [];
      throw error;
    }
  }

  /** The main table. */
  #main(family?: number, ifindex?: number): RouteInfo[] {
    return this.#context.rtnl.request(
      RTNL_FORMAT,
      (to, seq) => dumpRoutes(to, seq, family, ifindex),
      (message) => {
        const route = decodeRoute(message);
        if (route?.table !== RT_TABLE_MAIN) return undefined;
        const { destination, gateway } = route;
        return {
          ...route,
          destination: destination && Uint8Array.from(destination),
          gateway: gateway && Uint8Array.from(gateway),
        };
      },
    );
  }

  #count(route: OwnRoute, by: 1 | -1): void {
    const key = identityOf(route);
    const users = (this.#users.get(key) ?? 0) + by;
    if (users > 0) this.#users.set(key, users);
    else this.#users.delete(key);
  }
}

type AnyRoute = OwnRoute | RouteInfo;

function wireOf(route: OwnRoute): RouteRequest {
  return { ...route, metric: metricOf(route) || undefined, protocol: RTPROT_STATIC };
}

function familyOf(route: AnyRoute): number {
  if ("family" in route) return route.family;
  return route.destination.length === 4 ? AF_INET : AF_INET6;
}

/** For IPv4 none is 0. */
function metricOf(route: AnyRoute): number {
  return route.metric || (familyOf(route) === AF_INET6 ? DEFAULT_METRIC6 : 0);
}

function destinationOf(route: AnyRoute): string {
  const any = new Uint8Array(familyOf(route) === AF_INET6 ? 16 : 4);
  return `${formatIp(route.destination ?? any)}/${route.prefixLength}`;
}

/** There is one route for each of these. */
function placeOf(route: AnyRoute): string {
  return `${destinationOf(route)} metric ${metricOf(route)}`;
}

/** Two routes that are the same in this are the same route. */
function identityOf(route: AnyRoute): string {
  const { gateway } = route;
  return `${placeOf(route)} dev ${route.interface} via ${gateway ? formatIp(gateway) : "none"}`;
}

/** It is ours, or the kernel's own, which comes with an address of our interface. */
function isAsGood(there: RouteInfo, wanted: OwnRoute): boolean {
  const { protocol, type } = there;
  const isTaken = protocol === RTPROT_STATIC || protocol === RTPROT_KERNEL;
  return isTaken && type === "unicast" && identityOf(there) === identityOf(wanted);
}

function clash(route: OwnRoute, there: RouteInfo | undefined, cause: DcoError): DcoError {
  const via = there?.gateway ? ` via ${formatIp(there.gateway)}` : "";
  const where = there?.interface === undefined ? "" : `,${via} through interface ${there.interface}`;
  const metric = metricOf(route) > 0 ? ` with metric ${metricOf(route)}` : "";
  return new DcoError(
    "exists",
    `${route.field}: somebody else has a route to ${destinationOf(route)}${metric}${where}`,
    { field: route.field, native: cause.native, kernelMessage: cause.kernelMessage, effect: "none", cause },
  );
}

function isErrno(error: unknown, ...errnos: number[]): boolean {
  return DcoError.is(error) && errnos.includes(error.native?.number ?? 0);
}
