/**
 * Addresses in the words of Node's sockets, and back.
 */
import { networkInterfaces } from "node:os";
import type { IpEndpoint } from "../core/backend.ts";
import { formatIp, parseIp, unmapIpv4 } from "../core/ip.ts";
import type { Endpoint } from "../core/model.ts";

/** The text that a socket of this family takes: IPv4 is mapped for IPv6, link-local has the name of its link. */
export function addressText({ text, scopeId, family }: IpEndpoint, socketFamily: 4 | 6): string {
  if (family === 4) return socketFamily === 6 ? `::ffff:${text}` : text;
  return scopeId === 0 ? text : `${text}%${linkName(scopeId)}`;
}

/** What a socket told; IPv4-mapped IPv6 becomes IPv4. */
export function endpointOf(told: string, port: number): Endpoint {
  const [text, zone] = told.split("%") as [string, string | undefined];
  const bytes = parseIp(text);
  const address = bytes ? formatIp(unmapIpv4(bytes)) : text;
  const scopeId = zone === undefined ? 0 : linkNumber(zone);
  return scopeId === 0 ? { address, port } : { address, port, scopeId };
}

/** On Windows a link is named by its number. */
function linkName(scopeId: number): string {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some((each) => each.family === "IPv6" && each.scopeid === scopeId)) return name;
  }
  return String(scopeId);
}

function linkNumber(zone: string): number {
  const known = networkInterfaces()[zone]?.find((each) => each.family === "IPv6" && each.scopeid !== 0);
  return (known?.family === "IPv6" ? known.scopeid : undefined) ?? (Number(zone) || 0);
}
