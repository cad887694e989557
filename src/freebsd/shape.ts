/**
 * COMPILE-TIME PROOF, NOT A BACKEND: that the contract's shape fits FreeBSD's `if_ovpn`.
 *
 * Nothing of this package leads here and the build leaves it out, until the FreeBSD backend is written. What is
 * below (sockets, ioctls, nvlists, addresses and routes of the link) is only declared, in exchange.ts.
 */
import type {
  AddPeerRequest,
  AdoptInterfaceRequest,
  BackendDriver,
  BackendEventSink,
  BackendInterface,
  BackendListener,
  BackendPeer,
  BackendStats,
  BackendTransport,
  ConfigureRequest,
  IpEndpoint,
  IpPrefix,
  KeyRequest,
  OpenTransportRequest,
  PeerFields,
} from "../core/backend.ts";
import { DcoError, invalid, unsupported } from "../core/errors.ts";
import { formatIp, mapIpv4, unmapIpv4 } from "../core/ip.ts";
import type { InterfaceMode, KeySlot } from "../core/model.ts";
import type {
  FreebsdExchange,
  FreebsdNotification,
  FreebsdReplies,
  FreebsdSystem,
  FreebsdTransport,
  InOut,
  SockaddrList,
} from "./exchange.ts";

const SLOTS = { primary: 0, secondary: 1 } as const;

/** The ring holds no more: who finds it full must suppose that some were dropped. */
const EVENT_RING = 31;

/** See {@link BackendInterface}. */
export class FreebsdInterface implements BackendInterface {
  readonly name: string;
  readonly index: number;
  readonly mode: InterfaceMode;
  readonly created: boolean;
  readonly #exchange: FreebsdExchange;
  readonly #system: FreebsdSystem;
  /** Peers as they were added: `setPeer` needs their VPN addresses for routes. */
  readonly #peers = new Map<number, AddPeerRequest>();
  #started = false;
  #sink: BackendEventSink = () => {};
  #stop = () => {};

  constructor(
    link: Pick<BackendInterface, "name" | "index" | "mode" | "created">,
    exchange: FreebsdExchange,
    system: FreebsdSystem,
  ) {
    this.name = link.name;
    this.index = link.index;
    this.mode = link.mode;
    this.created = link.created;
    this.#exchange = exchange;
    this.#system = system;
  }

  async start(sink: BackendEventSink): Promise<void> {
    this.#sink = sink;
    const link = (up: boolean | undefined) =>
      sink(up === undefined ? { type: "interface-removed" } : { type: "link", up });
    this.#stop = this.#system.watch(() => this.#drain(), link);
  }

  configure(request: ConfigureRequest): Promise<void> {
    return this.#system.configure(request);
  }

  isLinkUp(): Promise<boolean> {
    return this.#system.isLinkUp();
  }

  openTransport(request: OpenTransportRequest): Promise<BackendTransport> {
    return this.#system.openSocket(request);
  }

  listen(): Promise<BackendListener> {
    throw unsupported("listeners", "this driver does not listen for connections");
  }

  async addPeer(request: AddPeerRequest, transport: BackendTransport): Promise<void> {
    // So that the end of an earlier peer with this id cannot be read after it.
    this.#drain();
    const { id, remote, local, vpn4, vpn6 } = request;
    const { fd, family } = transport as FreebsdTransport;
    if (remote === undefined)
      throw new DcoError("invalid", "remote: a UDP peer needs it", { field: "remote" });
    this.#exchange.set("NEW_PEER", {
      peerid: id,
      fd,
      remote: sockaddrList(remote, family),
      ...(local && { local: sockaddrList({ ...local, port: 0, scopeId: 0 }, family) }),
      ...(vpn4 && { vpn_ipv4: vpn4 }),
      ...(vpn6 && { vpn_ipv6: vpn6 }),
    });
    // Older kernels succeed and add nothing when the interface has another socket.
    if (!this.#ids().includes(id)) {
      throw new DcoError("socket", "the interface uses another socket", { effect: "none" });
    }
    this.#peers.set(id, request);
    if (request.routes) this.#setRoutes(id, request.routes);
  }

  async setPeer(id: number, { keepalive, routes }: PeerFields): Promise<void> {
    // Both values at once; `off` does not get here, because the kernel cannot disarm (disarmKeepalive).
    if (keepalive !== undefined && keepalive !== "off") {
      this.#exchange.set("SET_PEER", { peerid: id, ...keepalive });
    }
    if (routes) this.#setRoutes(id, routes);
  }

  async removePeer(id: number): Promise<void> {
    this.#exchange.set("DEL_PEER", { peerid: id });
    // Its event holds the final counters, and is queued by now.
    this.#drain();
  }

  /** There is no query of one peer: the list says whether it is there, and no more. */
  async peer(id: number): Promise<BackendPeer> {
    this.#drain();
    if (this.#ids().includes(id)) return knownOnlyById(id);
    throw new DcoError("not-found", `the kernel has no peer ${id}`, { effect: "none" });
  }

  async peers(): Promise<BackendPeer[]> {
    return this.#ids().map(knownOnlyById);
  }

  async stats(): Promise<BackendStats[]> {
    return this.#list().map((peer) => statsOf(peer.peerid, peer.packets, peer.bytes));
  }

  async installKey(peer: number, key: KeyRequest): Promise<void> {
    // The kernel takes the size of an AES key from the key, not from the name.
    const cipher = key.cipher.toUpperCase();
    this.#exchange.set("NEW_KEY", {
      peerid: peer,
      slot: SLOTS[key.slot],
      keyid: key.id,
      encrypt: { cipher, key: key.encryptKey, iv: key.encryptNonceTail },
      decrypt: { cipher, key: key.decryptKey, iv: key.decryptNonceTail },
    });
    if (this.#started) return;
    this.#exchange.set("START_VPN", undefined);
    this.#started = true;
  }

  async swapKeys(peer: number): Promise<void> {
    this.#exchange.set("SWAP_KEYS", { peerid: peer });
  }

  async deleteKey(peer: number, slot: KeySlot): Promise<void> {
    this.#exchange.set("DEL_KEY", { peerid: peer, slot: SLOTS[slot] });
  }

  async keys(): Promise<undefined> {
    return undefined;
  }

  async close(deleteInterface: boolean): Promise<void> {
    this.#stop();
    if (deleteInterface) await this.#system.destroy();
  }

  #list(): NonNullable<FreebsdReplies["GET_PEER_STATS"]["peers"]> {
    return this.#exchange.get("GET_PEER_STATS").peers ?? [];
  }

  #ids(): number[] {
    return this.#list().map((peer) => peer.peerid);
  }

  #setRoutes(id: number, routes: readonly IpPrefix[]): void {
    const { vpn4, vpn6 } = this.#peers.get(id) ?? {};
    const through = routes.map((prefix) => ({ prefix, via: prefix.family === 4 ? vpn4 : vpn6 }));
    this.#system.setPeerRoutes(id, through);
  }

  #drain(): void {
    const full = this.#exchange.get("POLL_PKT").pending >= EVENT_RING;
    for (let one = this.#exchange.get("GET_PKT"); one; one = this.#exchange.get("GET_PKT")) this.#tell(one);
    if (full) this.#sink({ type: "overflow", lost: undefined });
  }

  #tell({ peerid, notification, del_reason, packets, bytes, address }: FreebsdNotification): void {
    if (notification === 0) {
      const reason = del_reason === 1 ? "expired" : del_reason === 0 ? "userspace" : "unknown";
      const finalStats = packets && bytes && statsOf(peerid, packets, bytes);
      this.#setRoutes(peerid, []);
      this.#peers.delete(peerid);
      this.#sink({ type: "peer-deleted", peer: peerid, reason, ...(finalStats && { finalStats }) });
    } else if (notification === 1) {
      this.#sink({ type: "rekey-advised", peer: peerid });
    } else if (notification === 2 && address) {
      const remote = { address: formatIp(unmapIpv4(address.address)), port: swapBytes(address.port) };
      this.#sink({ type: "peer-floated", peer: peerid, remote });
    } else {
      this.#sink({ type: "unknown", native: notification, detail: "a notification of a newer kernel" });
    }
  }
}

/** What opens an interface: there are no modes in the kernel, only flags, which must be set while it is down. */
export function setMode(exchange: FreebsdExchange, mode: InterfaceMode): void {
  const [pointToPoint, broadcast, multicast] = [0x10, 0x2, 0x8000];
  exchange.set("SET_IFMODE", { ifmode: (mode === "p2p" ? pointToPoint : broadcast) | multicast });
}

/** The mode of an interface that is there: the kernel has none to tell, so the caller has to. */
export function adoptedMode({ mode, name }: AdoptInterfaceRequest): InterfaceMode {
  if (mode !== undefined) return mode;
  throw invalid("mode", `is missing; the kernel does not tell the mode of ${name}`, { effect: "none" });
}

/** What the driver must know of arguments. */
export const FREEBSD_RULES: BackendDriver["rules"] = {
  interfaceNameProblem: (name) =>
    /^[a-z][\w.]*$/i.test(name) && name.length <= 15 ? undefined : "is not a name that FreeBSD takes",
  extras: {},
};

function knownOnlyById(id: number): BackendPeer {
  const unknown = { remote: undefined, local: undefined, vpn4: undefined, vpn6: undefined };
  return { id, ...unknown, keepalive: undefined, txId: undefined };
}

function statsOf(id: number, packets: InOut, bytes: InOut): BackendStats {
  const rx = { rxBytes: bytes.in, rxPackets: packets.in };
  return { id, link: undefined, tunnel: { ...rx, txBytes: bytes.out, txPackets: packets.out } };
}

function sockaddrList(endpoint: IpEndpoint, family: 4 | 6): SockaddrList {
  const address = family === 6 ? mapIpv4(endpoint.bytes) : endpoint.bytes;
  const scope = endpoint.scopeId === 0 ? {} : { scopeid: endpoint.scopeId };
  return { af: family === 6 ? 28 : 2, address, port: swapBytes(endpoint.port), ...scope };
}

/** The ports' byte order on amd64 and arm64. */
function swapBytes(port: number): number {
  return ((port & 0xff) << 8) | (port >> 8);
}
