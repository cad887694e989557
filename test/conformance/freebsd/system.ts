/**
 * Interfaces as ifconfig and netstat see them: the oracle beside the SDK.
 */
import type { Resident } from "../linux/resident.ts";
import type { SystemInterface } from "../world.ts";

/** See `World.inspect`. */
export async function inspectInterface(at: Resident, name: string): Promise<SystemInterface | undefined> {
  const { status, output } = await at.start(
    `ifconfig -f inet:cidr,inet6:cidr ${name} || exit 1; echo @; netstat -rnW`,
  ).ended;
  if (status !== 0) return undefined;
  const [link = "", routes = ""] = output.split("\n@\n");
  const [, flags = "", mtu = ""] = /flags=\w+<([^>]*)>.* mtu (\d+)/.exec(link) ?? [];
  const addresses = [...link.matchAll(/^\s+inet6? ([0-9a-f.:]+\/\d+)/gm)].map((match) => match[1] as string);
  return {
    up: flags.split(",").includes("UP"),
    mtu: Number(mtu),
    addresses: addresses.filter((address) => !address.startsWith("fe80")).sort(),
    routes: readRoutes(routes, name).sort(),
  };
}

/** Destination, gateway, flags, ..., and the interface: routes that somebody made have the flag S. */
function readRoutes(table: string, name: string): string[] {
  const found: string[] = [];
  for (const line of table.split("\n")) {
    const [destination = "", gateway = "", flags = "", ...rest] = line.trim().split(/\s+/);
    if (!rest.includes(name) || !flags.includes("S")) continue;
    found.push(`${destination}${gateway.startsWith("link#") ? "" : ` via ${gateway}`}`);
  }
  return found;
}
