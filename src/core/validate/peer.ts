/**
 * Options of `addPeer` and `setPeer`.
 */
import type { AddPeerRequest, IpAddress, IpEndpoint, IpPrefix, PeerFields } from "../backend.ts";
import type { Capabilities } from "../capabilities.ts";
import { invalid, unsupported } from "../errors.ts";
import { type InterfaceMode, type Keepalive, MAX_PEER_ID } from "../model.ts";
import { formatPrefix, parseAddress, parsePrefix, parseRemote, refuseClasses } from "./address.ts";
import { optionalList } from "./configure.ts";
import { at, type Fields, readBoolean, readFields, readInteger, readShape, type Shape } from "./shape.ts";

/**
 * The longest keepalive time in seconds, about 24 days.
 *
 * Linux takes 32 bits, but FreeBSD multiplies by its timer frequency (1000 Hz at most) in an `int`
 * (if_ovpn.c: `keepalive.interval * hz`).
 */
export const MAX_KEEPALIVE_SECONDS = 2_147_483;

const SET_FIELDS = ["remote", "local", "vpn", "routes", "keepalive", "txId"] as const;
const ADD: Shape<"id" | "transport" | "replace" | (typeof SET_FIELDS)[number]> = {
  names: ["id", "transport", "replace", ...SET_FIELDS],
  read: ({ id, transport, replace, remote, local, vpn, routes, keepalive, txId }) => ({
    id,
    transport,
    replace,
    remote,
    local,
    vpn,
    routes,
    keepalive,
    txId,
  }),
};
const SET: Shape<(typeof SET_FIELDS)[number]> = {
  names: SET_FIELDS,
  read: ({ remote, local, vpn, routes, keepalive, txId }) => ({
    remote,
    local,
    vpn,
    routes,
    keepalive,
    txId,
  }),
};
const VPN: Shape<"ipv4" | "ipv6"> = {
  names: ["ipv4", "ipv6"],
  read: ({ ipv4, ipv6 }) => ({ ipv4, ipv6 }),
};

/** Where a peer's options stand. */
export interface PeerContext {
  readonly mode: InterfaceMode;
  readonly capabilities: Capabilities;
  /** Where the options are in a larger argument, such as `peers[3]`. */
  readonly path?: string | undefined;
}

/** Checked `addPeer` options. */
export interface ValidatedAddPeer {
  /** Its `keepalive` is undefined: core arms that with the first key. */
  readonly request: AddPeerRequest;
  /** As it was given: whether it is a transport of the interface is the interface's to say. */
  readonly transport: unknown;
  readonly keepalive: Keepalive | "off" | undefined;
}

/** Checked `setPeer` options. */
export interface ValidatedSetPeer {
  readonly fields: PeerFields;
}

/** A peer id. */
export function validatePeerId(id: unknown, field = "id"): number {
  return readInteger(id, field, 0, MAX_PEER_ID);
}

/** Checks `addPeer` options. The transport, and what depends on it, are left to the interface. */
export function validateAddPeer(options: unknown, context: PeerContext): ValidatedAddPeer {
  const { mode, capabilities, path } = context;
  const fields = readShape(options, ADD, path);
  const id = validatePeerId(fields.id, at(path, "id"));
  if (fields.transport === undefined) throw invalid(at(path, "transport"), "is missing");
  const checked = readPeerFields(fields, context);
  if (mode === "multipeer" && fields.vpn === undefined) {
    throw invalid(at(path, "vpn"), "is missing; a multipeer interface selects its peers by VPN address");
  }
  if (mode === "multipeer") checkRouteFamilies(checked.routes, checked, at(path, "routes"));
  const replace = fields.replace === undefined ? false : readBoolean(fields.replace, at(path, "replace"));
  // The peer id that the kernel sends anyway is no request for another.
  const txId = checked.txId === id && !capabilities.asymmetricPeerId ? undefined : checked.txId;
  checkTxId(txId, context);
  // Written out: a spread costs more than all checks, and servers add peers by the thousand.
  const { remote, local, vpn4, vpn6, routes, keepalive } = checked;
  const request = { id, replace, remote, local, vpn4, vpn6, routes, keepalive: undefined, txId };
  return { request, transport: fields.transport, keepalive };
}

/** Checks `setPeer` options: at least one field, and only what the kernel can change. */
export function validateSetPeer(options: unknown, context: PeerContext): ValidatedSetPeer {
  const { capabilities, path } = context;
  const given = readShape(options, SET, path);
  if (SET_FIELDS.every((name) => given[name] === undefined)) {
    throw invalid(path ?? "options", `nothing to change; give one of ${SET_FIELDS.join(", ")}`);
  }
  const fields = readPeerFields(given, context, true);
  const need = (wanted: boolean, capability: "setRemote" | "setVpn" | "disarmKeepalive", field: string) => {
    if (!wanted || capabilities[capability]) return;
    const problem = capability === "disarmKeepalive" ? "switch a keepalive off" : `change a peer's ${field}`;
    throw unsupported(capability, `this driver cannot ${problem}`, { field: at(path, field) });
  };
  need(fields.remote !== undefined, "setRemote", "remote");
  need(fields.local !== undefined, "setRemote", "local");
  need(given.vpn !== undefined, "setVpn", "vpn");
  need(fields.keepalive === "off", "disarmKeepalive", "keepalive");
  checkTxId(fields.txId, context);
  if (fields.local !== undefined && fields.remote === undefined) {
    throw invalid(at(path, "local"), "is set together with remote, which is missing");
  }
  return { fields };
}

/** In multipeer mode packets for a prefix reach the peer by its VPN address, so that must be there. */
export function checkRouteFamilies(
  routes: readonly IpPrefix[] | undefined,
  vpn: { readonly vpn4: unknown; readonly vpn6: unknown },
  field: string,
): void {
  for (const [index, route] of (routes ?? []).entries()) {
    if ((route.family === 4 ? vpn.vpn4 : vpn.vpn6) !== undefined) continue;
    const problem = `${formatPrefix(route)} needs a VPN address of its family (vpn.ipv${route.family})`;
    throw invalid(`${field}[${index}]`, problem);
  }
}

function readPeerFields(
  fields: Fields<(typeof SET_FIELDS)[number]>,
  { mode, capabilities, path }: PeerContext,
  mayTakeAway = false,
): PeerFields {
  const remoteField = at(path, "remote");
  const remote = fields.remote === undefined ? undefined : parseRemote(fields.remote, remoteField);
  const local = readPeerLocal(fields.local, at(path, "local"), remote, capabilities);
  const vpn = readVpn(fields.vpn, at(path, "vpn"), mode, mayTakeAway);
  const routes = optionalList(fields.routes, at(path, "routes"), readPeerRoute, formatPrefix);
  if (routes !== undefined && routes.length > 0 && !capabilities.peerRoutes) {
    throw unsupported("peerRoutes", "this driver has no routes of peers", { field: at(path, "routes") });
  }
  return {
    remote,
    local,
    vpn4: vpn.ipv4,
    vpn6: vpn.ipv6,
    routes,
    keepalive: readKeepalive(fields.keepalive, at(path, "keepalive")),
    txId: fields.txId === undefined ? undefined : validatePeerId(fields.txId, at(path, "txId")),
  };
}

function readPeerLocal(
  value: unknown,
  field: string,
  remote: IpEndpoint | undefined,
  capabilities: Capabilities,
): IpAddress | undefined {
  if (value === undefined) return undefined;
  const local = parseAddress(value, field);
  refuseClasses(local, field, ["unspecified", "multicast", "broadcast"]);
  if (remote && remote.family !== local.family) {
    throw invalid(field, `${local.text} is not of the family of the remote address ${remote.text}`);
  }
  if (!capabilities.peerLocalAddress) {
    throw unsupported("peerLocalAddress", "this driver cannot set the local address of a peer", { field });
  }
  return local;
}

function readVpn(
  value: unknown,
  field: string,
  mode: InterfaceMode,
  mayTakeAway: boolean,
): { ipv4?: Uint8Array | undefined; ipv6?: Uint8Array | undefined } {
  if (value === undefined) return {};
  if (mode === "p2p") throw invalid(field, "a p2p interface has no VPN addresses of peers");
  const fields = readShape(value, VPN, field);
  const read = (family: 4 | 6, given: unknown) =>
    given === null && mayTakeAway
      ? new Uint8Array(family === 4 ? 4 : 16)
      : readVpnAddress(given, at(field, `ipv${family}`), family)?.bytes;
  const ipv4 = read(4, fields.ipv4);
  const ipv6 = read(6, fields.ipv6);
  if (!ipv4 && !ipv6) throw invalid(field, "needs ipv4, ipv6 or both");
  return { ipv4, ipv6 };
}

function readVpnAddress(value: unknown, field: string, family: 4 | 6): IpAddress | undefined {
  if (value === undefined) return undefined;
  const address = parseAddress(value, field);
  if (address.family !== family) throw invalid(field, `${address.text} is not an IPv${family} address`);
  refuseClasses(address, field, ["unspecified", "loopback", "multicast", "broadcast"]);
  return address;
}

function readPeerRoute(value: unknown, field: string): IpPrefix {
  return parsePrefix(value, field, { hostBits: "refuse" });
}

function readKeepalive(value: unknown, field: string): Keepalive | "off" | undefined {
  if (value === undefined || value === "off") return value;
  if (typeof value === "string")
    throw invalid(field, 'must be "off", or an object with interval and timeout');
  const fields = readFields(value, ["interval", "timeout"], field);
  const interval = readInteger(fields.interval, at(field, "interval"), 1, MAX_KEEPALIVE_SECONDS);
  const timeout = readInteger(fields.timeout, at(field, "timeout"), 1, MAX_KEEPALIVE_SECONDS);
  if (timeout < interval) {
    throw invalid(at(field, "timeout"), `${timeout} is less than the interval of ${interval}`);
  }
  return { interval, timeout };
}

function checkTxId(txId: number | undefined, { capabilities, path }: PeerContext): void {
  if (txId === undefined || capabilities.asymmetricPeerId) return;
  throw unsupported("asymmetricPeerId", "this driver sends the peer id that it receives", {
    field: at(path, "txId"),
  });
}
