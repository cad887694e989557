/**
 * The contract as a program without sockets or packets: what each call gives, and what there is afterwards.
 *
 * Written from docs/contract.md, not from src. Where a call has several faults, any of their codes will do.
 */
import type { DcoErrorCode } from "../../src/core/errors.ts";
import { CIPHER_KEY_BYTES, type CipherName, type KeySlot, MAX_PEER_ID } from "../../src/core/model.ts";
import {
  BAD_ADDRESS,
  type KeepaliveSpec,
  type KeySpec,
  type Operation,
  type PeerFieldsSpec,
  type PeerSpec,
  type RemoteSpec,
  ZEROES,
} from "./operations.ts";

/** What a call may end with: `ok`, or one of these codes; of a bulk call one for each item. */
export type Expected = { readonly allowed: readonly Ending[]; readonly value?: unknown };
export type Ending = "ok" | DcoErrorCode;

/** A family of IP. */
type Family = 4 | 6;

export interface ModelTransport {
  readonly dco: ModelInterface;
  readonly family: Family;
  readonly dualStack: boolean;
  readonly remote: RemoteSpec | undefined;
  closed: boolean;
}

interface ModelKey {
  readonly id: number;
  readonly cipher: CipherName;
}

interface ModelPeer {
  readonly id: number;
  /** Which of the peers that this interface has had: 1 is the first. */
  readonly life: number;
  readonly transport: ModelTransport;
  remote: string;
  ipv4: string | undefined;
  ipv6: string | undefined;
  routes: readonly number[];
  keepalive: unknown;
  txId: number;
  slots: { primary?: ModelKey | undefined; secondary?: ModelKey | undefined };
}

/** The end of one life. */
export interface ModelEnd {
  readonly life: number;
  readonly id: number;
  readonly reason: string;
}

export interface ModelInterface {
  readonly name: number;
  readonly mode: "p2p" | "multipeer";
  readonly peers: Map<number, ModelPeer>;
  readonly transports: ModelTransport[];
  readonly used: { encrypt: Set<string>; decrypt: Set<string> };
  readonly ends: ModelEnd[];
  lives: number;
  mtu: number;
  up: boolean;
  closed: boolean;
  /** Somebody else deleted it. */
  removed: boolean;
}

/** Keepalive of the word `on`. */
export const KEEPALIVE = { interval: 300, timeout: 900 };

const DRIVER_VERBS: readonly string[] = ["adoptInterface", "observe", "survive"];
const OK: Expected = { allowed: ["ok"] };
const fails = (...allowed: DcoErrorCode[]): Expected => ({ allowed });

/** See the module's comment. */
export class Model {
  readonly interfaces: ModelInterface[] = [];
  readonly transports: ModelTransport[] = [];
  closed = false;

  /** Whether the operation can be made now. */
  can(operation: Operation): boolean {
    if (operation.do !== "expire") return true;
    const peer = this.at(operation.on)?.peers.get(operation.id);
    return peer !== undefined && (peer.slots.primary ?? peer.slots.secondary) !== undefined;
  }

  /** The interface that a number stands for: of those that were made, also closed ones. */
  at(on: number): ModelInterface | undefined {
    return this.interfaces[on % Math.max(1, this.interfaces.length)];
  }

  transport(number: number): ModelTransport | undefined {
    return this.transports[number % Math.max(1, this.transports.length)];
  }

  /** The transport that a peer's options mean. */
  transportOf(dco: ModelInterface, { transport, strange }: PeerSpec): ModelTransport | undefined {
    const all = strange ? this.transports.filter((each) => each.dco !== dco) : dco.transports;
    return all[transport % Math.max(1, all.length)];
  }

  /** What comes of an operation; the model is then as it is afterwards. */
  apply(operation: Operation): Expected {
    switch (operation.do) {
      case "createInterface":
        return this.#create(operation);
      case "deleteInterface":
        return this.#delete(operation.name);
      case "listInterfaces":
        return this.closed ? fails("closed") : { ...OK, value: this.list() };
      case "closeDriver":
        this.closed = true;
        for (const dco of this.interfaces) this.#close(dco);
        return OK;
      case "closeTransport":
        return this.#closeTransport(operation.transport);
      case "send":
        return this.#send(operation);
      case "together":
        return this.#each(operation.operations, (each) => this.apply(each));
      case "aborted":
        return this.#aborted(operation.operation);
      default:
        return this.#on(operation);
    }
  }

  /** Interfaces that are there, sorted. */
  list(): unknown[] {
    return this.interfaces
      .filter(({ closed }) => !closed)
      .map(({ name, mode, mtu, up, peers }) => {
        const linkUp = up && (mode === "multipeer" || peers.size > 0);
        return { name, mode, mtu, up, linkUp };
      })
      .sort((a, b) => a.name - b.name);
  }

  /** Peers of an interface as `peers()` tells them, sorted. */
  peersOf(dco: ModelInterface): unknown[] {
    return [...dco.peers.values()]
      .sort((a, b) => a.id - b.id)
      .map((peer) => ({
        id: peer.id,
        life: peer.life,
        remote: peer.remote,
        vpn: { ...(peer.ipv4 && { ipv4: peer.ipv4 }), ...(peer.ipv6 && { ipv6: peer.ipv6 }) },
        keepalive: peer.keepalive,
        txId: peer.txId,
        keys: keysOf(peer),
      }));
  }

  #create({ name, mode, onExisting = "fail" }: Operation & { do: "createInterface" }): Expected {
    if (this.closed) return fails("closed");
    if (name === BAD_ADDRESS || (mode !== "p2p" && mode !== "multipeer")) return fails("invalid");
    const existing = this.#named(name);
    if (existing && onExisting === "fail") return fails("exists");
    if (existing) this.#close(existing, true);
    this.interfaces.push({
      name,
      mode,
      peers: new Map(),
      transports: [],
      used: { encrypt: new Set(), decrypt: new Set() },
      ends: [],
      lives: 0,
      mtu: 1416,
      up: false,
      closed: false,
      removed: false,
    });
    return OK;
  }

  #delete(name: number): Expected {
    if (this.closed) return fails("closed");
    if (name === BAD_ADDRESS) return fails("invalid");
    const existing = this.#named(name);
    if (existing === undefined) return fails("not-found");
    this.#close(existing, true);
    return OK;
  }

  #named(name: number): ModelInterface | undefined {
    return this.interfaces.find((each) => each.name === name && !each.closed);
  }

  #close(dco: ModelInterface, removed = false): void {
    if (dco.closed) return;
    dco.closed = true;
    dco.removed = removed;
    for (const peer of [...dco.peers.values()]) this.#end(dco, peer, "interface-removed");
    for (const transport of dco.transports) transport.closed = true;
  }

  #end(dco: ModelInterface, { id, life }: ModelPeer, reason: string): void {
    dco.peers.delete(id);
    dco.ends.push({ life, id, reason });
  }

  #closeTransport(number: number): Expected {
    const transport = this.transport(number);
    if (transport === undefined || transport.closed) return OK;
    transport.closed = true;
    const { dco } = transport;
    for (const peer of [...dco.peers.values()])
      if (peer.transport === transport) this.#end(dco, peer, "transport-closed");
    return OK;
  }

  #send({ transport: number, size, opcode, peer, to }: Operation & { do: "send" }): Expected {
    const transport = this.transport(number);
    if (transport === undefined) return OK;
    const problems: DcoErrorCode[] = [];
    if (size < 4 || size > 65507 || opcode === 6 || opcode === 9) problems.push("invalid");
    if (peer !== undefined && (to || !isPeerId(peer))) problems.push("invalid");
    if (to && !reaches(transport, to)) problems.push("invalid");
    if (transport.closed) problems.push("closed");
    if (problems.length > 0) return fails(...problems);
    if (peer !== undefined)
      return transport.dco.peers.get(peer as number)?.transport === transport ? OK : fails("not-found");
    return to || transport.remote ? OK : fails("invalid");
  }

  #aborted(operation: Operation): Expected {
    const dco = "on" in operation ? this.at(operation.on) : undefined;
    if (dco === undefined) return OK;
    // Nothing has happened, whatever else is wrong.
    return fails("aborted", "invalid", ...(dco.closed ? (["closed"] as const) : []));
  }

  #on(operation: Extract<Operation, { readonly on: number }>): Expected {
    const dco = this.at(operation.on);
    if (dco === undefined) return OK;
    if (operation.do === "closeInterface") {
      this.#close(dco);
      return OK;
    }
    // Verbs of the driver go on without the interface.
    const ofDriver = operation.do === "rare" && DRIVER_VERBS.includes(operation.what);
    if (ofDriver ? this.closed : dco.closed) return fails("closed");
    switch (operation.do) {
      case "configure":
        return configure(dco, operation);
      case "openTransport":
        return this.#open(dco, operation);
      case "addPeer":
        return this.#add(dco, operation.peer);
      case "addPeers":
        return this.#each(operation.peers, (peer) => this.#add(dco, peer));
      case "setPeer":
        return this.#set(dco, operation.id, operation.fields);
      case "removePeer":
        return this.#remove(dco, operation.id);
      case "removePeers":
        return this.#each(operation.ids, (id) => this.#remove(dco, id));
      case "installKey":
        return this.#install(dco, operation.id, operation.key);
      case "installKeys":
        return this.#each(operation.keys, ({ peer, key }) => this.#install(dco, peer, key));
      case "swapKeys":
        return this.#swap(dco, operation.id);
      case "swapKeysOf":
        return this.#each(operation.ids, (id) => this.#swap(dco, id));
      case "deleteKey":
        return this.#deleteKey(dco, operation.id, operation.slot);
      case "keys":
        return find(dco, operation.id, (peer) => ({ ...OK, value: keysOf(peer) }));
      case "peer":
        return find(dco, operation.id, () => {
          const value = this.peersOf(dco).find((each) => (each as ModelPeer).id === operation.id);
          return { ...OK, value };
        });
      case "peers":
        return { ...OK, value: this.peersOf(dco) };
      case "stats": {
        const value = [...dco.peers.values()].map(({ id, life }) => ({ id, life }));
        return { ...OK, value: value.sort((a, b) => a.id - b.id) };
      }
      case "expire":
        return find(dco, operation.id, (peer) => {
          this.#end(dco, peer, "expired");
          return OK;
        });
      case "rare":
        return fails("unsupported");
    }
  }

  #each<T>(items: readonly T[], one: (item: T) => Expected): Expected {
    return { ...OK, value: items.map((item) => one(item).allowed) };
  }

  #open(dco: ModelInterface, { local, remote, clash }: Operation & { do: "openTransport" }): Expected {
    const { family, dualStack } = this.localOf(local, clash);
    if (local === "bad" || (local === "none" && remote === undefined)) return fails("invalid");
    if (remote && isBadRemote(remote)) return fails("invalid");
    if (local === "none") return this.#opened(dco, familyOf(remote as RemoteSpec, 4), false, remote);
    const taken = this.clashing(local, clash) ? "busy" : local === "strange" ? "socket" : undefined;
    if (remote && !reaches({ family, dualStack }, remote))
      return fails("invalid", ...(taken ? ([taken] as const) : []));
    if (taken) return fails(taken);
    return this.#opened(dco, family, dualStack, remote);
  }

  #opened(dco: ModelInterface, family: Family, dualStack: boolean, remote: RemoteSpec | undefined): Expected {
    const fixed = remote && { ...remote, family: familyOf(remote, family) };
    const transport = { dco, family, dualStack, remote: fixed, closed: false };
    dco.transports.push(transport);
    this.transports.push(transport);
    return OK;
  }

  /** What kind of socket a local address makes. */
  localOf(local: string, clash: number): { readonly family: Family; readonly dualStack: boolean } {
    const taken = this.clashing(local, clash);
    if (taken) return { family: taken.family, dualStack: taken.dualStack };
    return { family: /6$/.test(local) ? 6 : 4, dualStack: local === "any6" };
  }

  /** The transport whose address is wanted again, if it is still in use. */
  clashing(local: string, clash: number): ModelTransport | undefined {
    const transport = local === "clash" ? this.transport(clash) : undefined;
    return transport?.closed ? undefined : transport;
  }

  #add(dco: ModelInterface, spec: PeerSpec): Expected {
    const { id, routes = [], keepalive, txId, replace = false } = spec;
    const transport = this.transportOf(dco, spec);
    const vpn = vpnOf(dco, spec);
    const addresses = vpn && addressesOf(vpn);
    const bad =
      !isPeerId(id) ||
      transport === undefined ||
      (dco.mode === "multipeer" ? addresses === undefined || addresses === "bad" : vpn !== undefined) ||
      routes.includes(BAD_ADDRESS) ||
      isBadKeepalive(keepalive) ||
      (txId !== undefined && !isPeerId(txId)) ||
      (spec.remote !== undefined && isBadRemote(spec.remote)) ||
      (dco.mode === "multipeer" && typeof addresses === "object" && lacksFamily(routes, addresses));
    if (bad) return fails("invalid", ...(isUsable(dco, transport) ? [] : (["socket"] as const)));
    if (!isUsable(dco, transport)) return fails("socket");
    const remote = spec.remote ?? transport?.remote;
    if (transport === undefined || remote === undefined || !reaches(transport, remote))
      return fails("invalid");

    const inTheWay =
      dco.mode === "p2p" ? [...dco.peers.values()] : [dco.peers.get(id as number)].filter((each) => !!each);
    if (inTheWay.length > 0 && !replace) return fails("exists");
    for (const peer of inTheWay) this.#end(dco, peer, "replaced");
    const { ipv4, ipv6 } = typeof addresses === "object" ? addresses : {};
    if (isTaken(dco, undefined, { ipv4, ipv6, routes })) return fails("exists");
    dco.lives++;
    const peer: ModelPeer = {
      id: id as number,
      life: dco.lives,
      transport,
      remote: remoteText(remote, transport.family),
      ipv4,
      ipv6,
      routes,
      keepalive: keepaliveOf(keepalive) ?? "off",
      txId: (txId as number | undefined) ?? (id as number),
      slots: {},
    };
    dco.peers.set(peer.id, peer);
    return OK;
  }

  #set(dco: ModelInterface, id: unknown, fields: PeerFieldsSpec): Expected {
    const { remote, vpn, routes, keepalive, txId } = fields;
    const addresses = vpn && addressesOf(vpn);
    const bad =
      !isPeerId(id) ||
      Object.keys(fields).length === 0 ||
      (remote !== undefined && isBadRemote(remote)) ||
      (vpn !== undefined && (dco.mode === "p2p" || addresses === undefined || addresses === "bad")) ||
      routes?.includes(BAD_ADDRESS) ||
      isBadKeepalive(keepalive) ||
      (txId !== undefined && !isPeerId(txId));
    if (bad) return fails("invalid");
    return find(dco, id, (peer) => {
      if (remote && !reaches(peer.transport, remote)) return fails("invalid");
      const wanted = { ipv4: peer.ipv4, ipv6: peer.ipv6, ...(typeof addresses === "object" && addresses) };
      const all = { ...wanted, routes: routes ?? peer.routes };
      const isMultipeer = dco.mode === "multipeer";
      if (isMultipeer && routes && lacksFamily(routes, wanted)) return fails("invalid");
      if (isTaken(dco, peer, all)) return fails("exists");
      Object.assign(peer, all);
      if (remote) peer.remote = remoteText(remote, peer.transport.family);
      if (keepalive !== undefined) peer.keepalive = keepaliveOf(keepalive);
      if (txId !== undefined) peer.txId = txId as number;
      return OK;
    });
  }

  #remove(dco: ModelInterface, id: unknown): Expected {
    return find(dco, id, (peer) => {
      this.#end(dco, peer, "requested");
      return OK;
    });
  }

  #install(dco: ModelInterface, id: unknown, key: KeySpec): Expected {
    if (isBadKey(key)) return fails("invalid");
    // Several faults: either may be told.
    const isZero = key.encrypt === ZEROES || key.decrypt === ZEROES;
    if (isZero)
      return isPeerId(id) && !dco.peers.has(id as number) ? fails("invalid", "not-found") : fails("invalid");
    return find(dco, id, ({ slots }) => {
      const slot = key.slot as KeySlot;
      const other = slot === "primary" ? slots.secondary : slots.primary;
      if (other?.id === key.id || (slot === "secondary" && !slots.primary)) return fails("invalid");
      const bytes = CIPHER_KEY_BYTES[key.cipher as CipherName];
      const { encrypt, decrypt } = dco.used;
      const [sent, received] = [`${bytes} of ${key.encrypt}`, `${bytes} of ${key.decrypt}`];
      if (encrypt.has(sent) || decrypt.has(received)) return fails("invalid");
      encrypt.add(sent);
      decrypt.add(received);
      slots[slot] = { id: key.id as number, cipher: key.cipher as CipherName };
      return OK;
    });
  }

  #swap(dco: ModelInterface, id: unknown): Expected {
    return find(dco, id, (peer) => {
      const { primary, secondary } = peer.slots;
      if (secondary === undefined) return fails("not-found");
      peer.slots = { primary: secondary, secondary: primary };
      return OK;
    });
  }

  #deleteKey(dco: ModelInterface, id: unknown, slot: unknown): Expected {
    if (slot !== "primary" && slot !== "secondary") return fails("invalid");
    return find(dco, id, (peer) => {
      peer.slots[slot] = undefined;
      return OK;
    });
  }
}

function configure(dco: ModelInterface, { mtu, up }: Operation & { do: "configure" }): Expected {
  const isBadMtu =
    mtu !== undefined && (!Number.isInteger(mtu) || (mtu as number) < 68 || (mtu as number) > 65451);
  if (isBadMtu || (up !== undefined && typeof up !== "boolean")) return fails("invalid");
  if (mtu !== undefined) dco.mtu = mtu as number;
  if (up !== undefined) dco.up = up as boolean;
  return OK;
}

/** A verb on a peer. */
function find(dco: ModelInterface, id: unknown, then: (peer: ModelPeer) => Expected): Expected {
  if (!isPeerId(id)) return fails("invalid");
  const peer = dco.peers.get(id as number);
  return peer ? then(peer) : fails("not-found");
}

function keysOf({ slots }: ModelPeer): unknown[] {
  return (["primary", "secondary"] as const).flatMap((slot) => {
    const key = slots[slot];
    return key ? [{ slot, id: key.id, cipher: key.cipher }] : [];
  });
}

function isPeerId(id: unknown): boolean {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) <= MAX_PEER_ID;
}

function isUsable(dco: ModelInterface, transport: ModelTransport | undefined): boolean {
  return transport === undefined || (transport.dco === dco && !transport.closed);
}

/** The VPN addresses that a peer's options have: right or wrong for the mode. */
export function vpnOf({ mode }: ModelInterface, { vpn, wrongVpn }: PeerSpec) {
  return (mode === "multipeer") === (wrongVpn !== true) ? vpn : undefined;
}

type Addresses = { readonly ipv4?: string; readonly ipv6?: string };

function addressesOf({ ipv4, ipv6 }: NonNullable<PeerSpec["vpn"]>): Addresses | "bad" | undefined {
  if (ipv4 === undefined && ipv6 === undefined) return undefined;
  if (ipv4 === BAD_ADDRESS || ipv6 === BAD_ADDRESS) return "bad";
  return {
    ...(ipv4 !== undefined && { ipv4: vpnAddress(4, ipv4) }),
    ...(ipv6 !== undefined && { ipv6: vpnAddress(6, ipv6) }),
  };
}

export function vpnAddress(family: Family, number: number): string {
  if (number === BAD_ADDRESS) return family === 4 ? "127.0.0.1" : "10.8.0.1";
  return family === 4 ? `10.8.0.${10 + number}` : `fd00:8::${10 + number}`;
}

/** Prefixes of different interfaces differ: on some systems they share one table. */
export function prefix(dco: ModelInterface, number: number): string {
  if (number === BAD_ADDRESS) return "10.0.0.1/8";
  // The VPN address with number 1.
  if (number >= HOST_ROUTES) return number % 2 === 0 ? `${vpnAddress(4, 1)}/32` : `${vpnAddress(6, 1)}/128`;
  const place = dco.name * 10 + number;
  return number % 2 === 0 ? `10.${100 + place}.0.0/16` : `fd00:${100 + place}::/48`;
}

/** From this number on prefixes are single addresses, which a peer may have as well. */
const HOST_ROUTES = 4;

/** All that packets reach a peer by. */
function destinations({ ipv4, ipv6, routes }: Destinations): string[] {
  const hosts = routes
    .filter((number) => number >= HOST_ROUTES)
    .map((number) => vpnAddress(number % 2 === 0 ? 4 : 6, 1));
  const prefixes = routes.filter((number) => number < HOST_ROUTES).map((number) => `prefix ${number}`);
  return [ipv4, ipv6, ...hosts, ...prefixes].filter((each) => each !== undefined);
}

interface Destinations {
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly routes: readonly number[];
}

function lacksFamily(
  routes: readonly number[],
  { ipv4, ipv6 }: { ipv4?: string | undefined; ipv6?: string | undefined },
): boolean {
  return routes.some((number) => (number % 2 === 0 ? ipv4 : ipv6) === undefined);
}

/** Whether packets for one of these go to another peer. */
function isTaken(dco: ModelInterface, own: ModelPeer | undefined, wanted: Destinations): boolean {
  const mine = destinations(wanted);
  return [...dco.peers.values()].some(
    (each) => each !== own && destinations(each).some((destination) => mine.includes(destination)),
  );
}

function isBadKeepalive(keepalive: KeepaliveSpec | undefined): boolean {
  if (keepalive === undefined || typeof keepalive === "string") return false;
  const { interval, timeout } = keepalive as { interval: number; timeout: number };
  return !Number.isInteger(interval) || interval < 1 || !Number.isInteger(timeout) || timeout < interval;
}

/** As the contract has it. */
export function keepaliveOf(keepalive: KeepaliveSpec | undefined): unknown {
  return keepalive === "on" ? KEEPALIVE : keepalive;
}

function isBadKey({ slot, id, cipher, encrypt, decrypt, short }: KeySpec): boolean {
  return (
    (slot !== "primary" && slot !== "secondary") ||
    !Number.isInteger(id) ||
    (id as number) < 0 ||
    (id as number) > 7 ||
    !Object.hasOwn(CIPHER_KEY_BYTES, String(cipher)) ||
    short === true ||
    encrypt === decrypt
  );
}

function isBadRemote({ family }: RemoteSpec): boolean {
  return family === "zero" || family === "text";
}

function familyOf({ family }: RemoteSpec, fit: Family): Family {
  if (family === "mapped") return 4;
  return family === 6 || family === 4 ? family : fit;
}

function reaches({ family, dualStack }: { family: Family; dualStack: boolean }, remote: RemoteSpec): boolean {
  if (isBadRemote(remote)) return false;
  const wanted = familyOf(remote, family);
  return wanted === family || (wanted === 4 && dualStack);
}

/** What a caller writes. */
export function remoteInput({ family, number }: RemoteSpec, fit: Family): string {
  const port = 20001 + number;
  switch (family) {
    case "text":
      return "nowhere";
    case "zero":
      return "127.0.0.2:0";
    case "mapped":
      return `[::ffff:127.0.0.${2 + number}]:${port}`;
    default:
      return familyOf({ family, number }, fit) === 4 ? `127.0.0.${2 + number}:${port}` : `[::1]:${port}`;
  }
}

/** What the contract tells of it. */
function remoteText(remote: RemoteSpec, fit: Family): string {
  return remoteInput({ ...remote, family: familyOf(remote, fit) }, fit);
}
