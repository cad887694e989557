/**
 * Interfaces as iproute2 sees and changes them: the oracle beside the SDK.
 */
import type { SystemInterface } from "../world.ts";
import { ip } from "./command.ts";

interface LinkJson {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly addr_info: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

interface RouteJson {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly protocol?: string;
  readonly metric?: number;
  readonly type?: string;
}

/** iproute2 shows a metric for every IPv6 route; this is the one of those that were given none. */
const DEFAULT_METRIC6 = 1024;

/** See `World.inspect`. */
export async function inspectInterface(
  namespace: string,
  name: string,
): Promise<SystemInterface | undefined> {
  const links = JSON.parse((await ip(namespace, "-j", "addr", "show")) || "[]") as LinkJson[];
  const link = links.find((each) => each.ifname === name);
  if (link === undefined) return undefined;
  const routes: string[] = [];
  for (const family of ["-4", "-6"]) {
    const table = JSON.parse((await ip(namespace, "-j", family, "route", "show", "dev", name)) || "[]");
    for (const route of table as RouteJson[]) {
      // The kernel's own, which come with the addresses.
      if (route.protocol === "kernel") continue;
      const metric = family === "-6" && route.metric === DEFAULT_METRIC6 ? undefined : route.metric;
      const via = route.gateway === undefined ? "" : ` via ${route.gateway}`;
      routes.push(`${route.dst}${via}${metric ? ` metric ${metric}` : ""}`);
    }
  }
  return {
    up: link.flags.includes("UP"),
    mtu: link.mtu,
    addresses: link.addr_info
      .filter((address) => address.scope !== "link")
      .map((address) => `${address.local}/${address.prefixlen}`)
      .sort(),
    routes: routes.sort(),
  };
}
