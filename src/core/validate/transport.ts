/**
 * Options of `openTransport`, `listen` and `transport.send`.
 */
import type { BackendRules, IpEndpoint, ListenRequest, OpenTransportRequest } from "../backend.ts";
import type { Capabilities } from "../capabilities.ts";
import { invalid, unsupported } from "../errors.ts";
import type { Endpoint, NodeSocket, TransportProtocol } from "../model.ts";
import { classOf, parseLocal, parseRemote } from "./address.ts";
import { readBytes } from "./bytes.ts";
import { readSignal } from "./call.ts";
import { pickExtras, readFieldsAndExtras } from "./extras.ts";
import { validatePeerId } from "./peer.ts";
import { at, INT_MAX, kindOf, readBoolean, readChoice, readFields, readInteger } from "./shape.ts";

const PROTOCOLS: readonly TransportProtocol[] = ["udp", "tcp"];
const OPEN_FIELDS = [
  "protocol",
  "local",
  "remote",
  "dualStack",
  "adopt",
  "queueLimit",
  "receiveBuffer",
  "signal",
] as const;
const LISTEN_FIELDS = ["protocol", "local", "dualStack", "queueLimit", "backlog", "signal"] as const;

const DEFAULT_PACKET_QUEUE = 1024;
const DEFAULT_RECEIVE_BUFFER = 4 * 1024 * 1024;
const DEFAULT_BACKLOG = 128;

/** Opcodes of data packets, the upper five bits of the first byte (OpenVPN's P_DATA_V1 and P_DATA_V2). */
const DATA_OPCODES: ReadonlyMap<number, string> = new Map([
  [6, "DATA_V1"],
  [9, "DATA_V2"],
]);

/** Checks `openTransport` options; defaults are filled in. */
export function validateOpenTransport(
  options: unknown,
  rules: BackendRules,
  capabilities: Capabilities,
): OpenTransportRequest {
  const own = rules.extras.openTransport;
  const fields = readFieldsAndExtras(options, OPEN_FIELDS, own);
  const protocol = readChoice(fields.protocol, "protocol", PROTOCOLS);
  if (!capabilities.transports.includes(protocol)) {
    throw unsupported("transports", `this driver has no ${protocol} transports`, { field: "protocol" });
  }
  const local = fields.local === undefined ? undefined : parseLocal(fields.local, "local");
  const remote = fields.remote === undefined ? undefined : parseRemote(fields.remote, "remote");
  const adopted = fields.adopt === undefined ? undefined : readAdopt(fields.adopt, protocol, capabilities);
  const wantsDual = fields.dualStack === undefined ? undefined : readBoolean(fields.dualStack, "dualStack");
  if (adopted) {
    if (local) throw invalid("local", "an adopted socket is bound already");
    if (wantsDual === true) throw invalid("dualStack", "an adopted socket is dual-stack or is not");
    if (remote && protocol === "tcp") throw invalid("remote", "an adopted TCP socket is connected already");
  } else if (protocol === "tcp" && !remote) {
    throw invalid("remote", "is missing; a TCP transport connects to it");
  } else if (!local && !remote) {
    throw invalid("local", "is missing; a transport needs local, remote or adopt");
  }
  if (!remote && !capabilities.anyRemote) {
    throw unsupported("anyRemote", "this driver's transports need their remote address", { field: "remote" });
  }
  const dualStack = decideDualStack(wantsDual, local ?? anyOf(remote), local !== undefined, capabilities);
  if (local && remote) checkFamilies(local, remote, dualStack, capabilities);
  readSignal(fields.signal, "signal");
  return {
    protocol,
    local,
    remote,
    dualStack,
    adopt: undefined,
    ...adopted,
    queueLimit: readLimit(fields.queueLimit, "queueLimit", DEFAULT_PACKET_QUEUE),
    receiveBuffer: readLimit(fields.receiveBuffer, "receiveBuffer", DEFAULT_RECEIVE_BUFFER),
    extras: pickExtras(fields, own),
  };
}

/** Checks `listen` options; defaults are filled in. */
export function validateListen(
  options: unknown,
  rules: BackendRules,
  capabilities: Capabilities,
): ListenRequest {
  const own = rules.extras.listen;
  const fields = readFieldsAndExtras(options, LISTEN_FIELDS, own);
  const protocol = readChoice(fields.protocol, "protocol", PROTOCOLS);
  if (!capabilities.listeners.includes(protocol)) {
    throw unsupported("listeners", `this driver cannot listen on ${protocol}`, { field: "protocol" });
  }
  const local = parseLocal(fields.local, "local");
  const wantsDual = fields.dualStack === undefined ? undefined : readBoolean(fields.dualStack, "dualStack");
  readSignal(fields.signal, "signal");
  return {
    protocol,
    local,
    dualStack: decideDualStack(wantsDual, local, true, capabilities),
    queueLimit: readLimit(fields.queueLimit, "queueLimit", DEFAULT_PACKET_QUEUE),
    backlog: readLimit(fields.backlog, "backlog", DEFAULT_BACKLOG),
    extras: pickExtras(fields, own),
  };
}

/** A kernel drops what is shorter than a data packet's first word, and over TCP it drops the peer as well. */
const MIN_CONTROL_PACKET = 4;

/** A checked `transport.send`: a control packet, and where it goes. */
export interface ValidatedSend {
  readonly packet: Uint8Array;
  readonly peer: number | undefined;
  readonly to: IpEndpoint | undefined;
}

/** Checks `transport.send` arguments. Data packets are refused: only the kernel can make those. */
export function validateSend(packet: unknown, options: unknown, capabilities: Capabilities): ValidatedSend {
  const bytes = readBytes(packet, "packet");
  const { maxControlPacket } = capabilities;
  if (bytes.length < MIN_CONTROL_PACKET || bytes.length > maxControlPacket) {
    throw invalid(
      "packet",
      `must have ${MIN_CONTROL_PACKET} to ${maxControlPacket} bytes, not ${bytes.length}`,
    );
  }
  const data = DATA_OPCODES.get((bytes[0] as number) >> 3);
  if (data !== undefined)
    throw invalid("packet", `is a data packet (${data}); only control packets can be sent`);
  if (options === undefined) return { packet: bytes, peer: undefined, to: undefined };
  const fields = readFields(options, ["peer", "to", "signal"]);
  const peer = fields.peer === undefined ? undefined : validatePeerId(fields.peer, "peer");
  const to = fields.to === undefined ? undefined : parseRemote(fields.to, "to");
  if (peer !== undefined && to) throw invalid("to", "a packet goes to a peer or to an address, not to both");
  readSignal(fields.signal, "signal");
  return { packet: bytes, peer, to };
}

/** Whether a socket can reach an address: its own family, or IPv4 from a dual-stack one. */
export function checkRemoteFamily(
  remote: IpEndpoint,
  transport: { readonly family: 4 | 6; readonly dualStack: boolean },
  field: string,
): void {
  if (remote.family === transport.family) return;
  if (remote.family === 4 && transport.dualStack) return;
  const hint = remote.family === 4 ? " (it is not dual-stack)" : "";
  throw invalid(field, `${remote.text} cannot be reached from an IPv${transport.family} transport${hint}`);
}

/** Refuses another address than the transport's remote where that is the only one that it can reach. */
export function checkOnlyRemote(
  to: IpEndpoint,
  transport: { readonly protocol: TransportProtocol; readonly remote: Endpoint | undefined },
  field: string,
  capabilities: Capabilities,
): void {
  if (transport.protocol === "udp" && capabilities.anyRemote) return;
  const { remote, protocol } = transport;
  if (remote && remote.address === to.text && remote.port === to.port) return;
  if (protocol === "tcp")
    throw invalid(field, "a TCP transport reaches only the other end of its connection");
  throw unsupported("anyRemote", "this driver's transports reach only their remote address", { field });
}

/** The address that is bound where only a remote was given. */
function anyOf(remote: IpEndpoint | undefined): Pick<IpEndpoint, "family" | "bytes"> | undefined {
  return remote && { family: remote.family, bytes: new Uint8Array(remote.bytes.length) };
}

function decideDualStack(
  wanted: boolean | undefined,
  local: Pick<IpEndpoint, "family" | "bytes"> | undefined,
  localGiven: boolean,
  capabilities: Capabilities,
): boolean {
  const possible = local?.family === 6 && local.bytes.every((byte) => byte === 0);
  if (wanted === undefined) return possible && localGiven && capabilities.dualStack;
  if (wanted && !possible) throw invalid("dualStack", "needs an IPv6 socket on any address (::)");
  if (wanted && !capabilities.dualStack) {
    throw unsupported("dualStack", "this driver has no dual-stack transports", { field: "dualStack" });
  }
  return wanted;
}

function checkFamilies(
  local: IpEndpoint,
  remote: IpEndpoint,
  dualStack: boolean,
  capabilities: Capabilities,
): void {
  if (local.family === remote.family || (remote.family === 4 && dualStack)) return;
  if (remote.family === 4 && classOf(local) === "unspecified" && !capabilities.dualStack) {
    throw unsupported("dualStack", "this driver has no dual-stack transports", { field: "remote" });
  }
  throw invalid("remote", `${remote.text} cannot be reached from the local address ${local.text}`);
}

function readAdopt(
  value: unknown,
  protocol: TransportProtocol,
  capabilities: Capabilities,
): Pick<OpenTransportRequest, "adopt" | "adoptNode" | "head"> {
  const fields = readFields(value, ["fd", "socket", "ownership", "head"], "adopt");
  const node = fields.socket === undefined ? undefined : readNodeSocket(fields.socket, "adopt.socket");
  const ownershipField = at("adopt", "ownership");
  let adopt: OpenTransportRequest["adopt"];
  if (!node) {
    const fd = readInteger(fields.fd, at("adopt", "fd"), 0, INT_MAX);
    const { ownership = "keep" } = fields;
    adopt = { fd, ownership: readChoice(ownership, ownershipField, ["keep", "take"]) };
  } else if (fields.fd !== undefined) {
    throw invalid("adopt.fd", "a socket is given by its descriptor or as a net.Socket, not both");
  } else if (fields.ownership !== undefined) {
    throw invalid(ownershipField, "is for descriptors; the connection of a net.Socket is always taken");
  }
  const head = fields.head === undefined ? undefined : Uint8Array.from(readBytes(fields.head, "adopt.head"));
  if (protocol !== "tcp") {
    if (node) throw invalid("adopt.socket", "a net.Socket is a TCP socket; a UDP socket is given by its fd");
    if (head) throw invalid("adopt.head", "is for TCP, which is a stream of bytes");
  }
  if (!capabilities.adoptSocket) {
    throw unsupported("adoptSocket", "this driver takes no socket of the caller's", { field: "adopt" });
  }
  return { adopt, ...(node && { adoptNode: node }), ...(head && { head }) };
}

function readNodeSocket(value: unknown, field: string): NodeSocket {
  const socket = value as NodeSocket;
  const methods = ["listenerCount", "read", "destroy"] as const;
  if (
    typeof value !== "object" ||
    value === null ||
    methods.some((name) => typeof socket[name] !== "function")
  ) {
    throw invalid(field, `must be a net.Socket, not ${kindOf(value)}`);
  }
  return socket;
}

function readLimit(value: unknown, field: string, fallback: number): number {
  return value === undefined ? fallback : readInteger(value, field, 1, INT_MAX);
}
