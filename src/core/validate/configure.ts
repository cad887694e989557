/**
 * The argument of `configure`.
 */
import type { ConfigureRequest, IpAddress, IpPrefix, RouteRequest } from "../backend.ts";
import type { Capabilities } from "../capabilities.ts";
import { invalid, unsupported } from "../errors.ts";
import type { InterfaceMode } from "../model.ts";
import { formatPrefix, parseAddress, parsePrefix, refuseClasses } from "./address.ts";
import { at, readBoolean, readFields, readInteger, UINT32_MAX, validateArray } from "./shape.ts";

/** The smallest MTU of a link that carries IPv6 (RFC 8200, 5); Linux drops IPv6 from the link below it. */
export const IPV6_MIN_MTU = 1280;

/** Checks the wanted state of an interface. The mode does not restrict it. */
export function validateConfigure(
  config: unknown,
  _mode: InterfaceMode,
  capabilities: Capabilities,
): ConfigureRequest {
  const fields = readFields(config, ["addresses", "mtu", "up", "routes", "bypass"], undefined, "config");
  const addresses = optionalList(fields.addresses, "addresses", readInterfaceAddress, (item) => item.text);
  const { min, max } = capabilities.mtu;
  const mtu = fields.mtu === undefined ? undefined : readInteger(fields.mtu, "mtu", min, max);
  if (mtu !== undefined && mtu < IPV6_MIN_MTU && addresses?.some(({ family }) => family === 6)) {
    throw invalid("mtu", `IPv6 needs at least ${IPV6_MIN_MTU} bytes, not ${mtu}`);
  }
  const up = fields.up === undefined ? undefined : readBoolean(fields.up, "up");
  const routes = optionalList(fields.routes, "routes", readRoute, routeKey);
  const bypass = optionalList(fields.bypass, "bypass", readBypass, (item) => item.text);
  for (const [field, list] of Object.entries({ addresses, routes })) {
    if (list === undefined || list.length === 0 || capabilities.systemInterface) continue;
    throw unsupported("systemInterface", `an interface that is only a stream of packets has no ${field}`, {
      field,
    });
  }
  const metric = routes?.findIndex((route) => route.metric !== undefined) ?? -1;
  if (metric >= 0 && !capabilities.routeMetric) {
    throw unsupported("routeMetric", "routes have no metric here", { field: `routes[${metric}].metric` });
  }
  if (bypass !== undefined && bypass.length > 0 && !capabilities.bypassRoutes) {
    throw unsupported("bypassRoutes", "this driver cannot keep routes outside the tunnel", {
      field: "bypass",
    });
  }
  return { addresses, mtu, up, routes, bypass };
}

function readInterfaceAddress(value: unknown, field: string): IpPrefix {
  const prefix = parsePrefix(value, field, { hostBits: "keep", length: "required" });
  refuseClasses(prefix, field, ["unspecified", "multicast", "broadcast"]);
  if (prefix.length === 0) throw invalid(field, "a prefix length of 0 would put every address on this link");
  return prefix;
}

function readRoute(value: unknown, field: string): RouteRequest {
  if (typeof value === "string") {
    const destination = parsePrefix(value, field, { hostBits: "refuse" });
    return { destination, via: undefined, metric: undefined };
  }
  const fields = readFields(value, ["destination", "via", "metric"], field);
  const destination = parsePrefix(fields.destination, at(field, "destination"), { hostBits: "refuse" });
  const via = fields.via === undefined ? undefined : readNextHop(fields.via, at(field, "via"), destination);
  const metric =
    fields.metric === undefined ? undefined : readInteger(fields.metric, at(field, "metric"), 0, UINT32_MAX);
  return { destination, via, metric };
}

function readNextHop(value: unknown, field: string, destination: IpPrefix): IpAddress {
  const via = parseAddress(value, field);
  refuseClasses(via, field, ["unspecified", "loopback", "multicast", "broadcast"]);
  if (via.family !== destination.family) {
    throw invalid(field, `${via.text} is not of the family of ${formatPrefix(destination)}`);
  }
  return via;
}

function readBypass(value: unknown, field: string): IpAddress {
  const address = parseAddress(value, field);
  refuseClasses(address, field, ["unspecified", "loopback", "multicast", "broadcast"]);
  return address;
}

/** Routes to one destination may differ in their metric, as kernels allow. */
function routeKey({ destination, metric }: RouteRequest): string {
  const text = formatPrefix(destination);
  return metric === undefined ? text : `${text} with metric ${metric}`;
}

/** A list without duplicates; undefined if it is left out. */
export function optionalList<T>(
  value: unknown,
  field: string,
  read: (item: unknown, field: string) => T,
  key: (item: T) => string,
): T[] | undefined {
  if (value === undefined) return undefined;
  const seen = new Map<string, number>();
  // Array.from gives holes of a sparse array as undefined, so that they are refused.
  return Array.from(validateArray(value, field), (raw, index) => {
    const item = read(raw, `${field}[${index}]`);
    const before = seen.get(key(item));
    if (before !== undefined) throw invalid(`${field}[${index}]`, `${key(item)} is also ${field}[${before}]`);
    seen.set(key(item), index);
    return item;
  });
}
