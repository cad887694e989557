/**
 * Interfaces as iproute2 sees and changes them: the oracle beside the SDK.
 */
import type { SystemInterface } from "../world.ts";
import type { Resident } from "./resident.ts";

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
export async function inspectInterface(at: Resident, name: string): Promise<SystemInterface | undefined> {
  const routes4 = `ip -j -4 route show dev ${name} || true`;
  const routes6 = `ip -j -6 route show dev ${name} || true`;
  const output = await at.run(`ip -j addr show; echo @; ${routes4}; echo @; ${routes6}`);
  const [addresses = "", ...tables] = output.split("@");
  const links = JSON.parse(addresses) as LinkJson[];
  const link = links.find((each) => each.ifname === name);
  if (link === undefined) return undefined;
  const routes: string[] = [];
  for (const [index, table] of tables.entries()) {
    for (const route of JSON.parse(table.trim() || "[]") as RouteJson[]) {
      // The kernel's own, which come with the addresses.
      if (route.protocol === "kernel") continue;
      const metric = index === 1 && route.metric === DEFAULT_METRIC6 ? undefined : route.metric;
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
