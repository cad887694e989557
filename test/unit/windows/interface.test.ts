import { describe, expect, test } from "vitest";
import type { ConfigureRequest, IpEndpoint } from "../../../src/core/backend.ts";
import { DcoError } from "../../../src/core/errors.ts";
import type { InterfaceMode } from "../../../src/core/model.ts";
import { windowsCapabilities } from "../../../src/windows/capabilities.ts";
import type { WindowsExchange } from "../../../src/windows/exchange.ts";
import type { Command, Notification, Packet, Reply, Requests } from "../../../src/windows/messages.ts";
import { MultipeerInterface } from "../../../src/windows/multipeer-interface.ts";
import type { WindowsAdapter } from "../../../src/windows/ovpn-interface.ts";
import { P2pInterface } from "../../../src/windows/p2p-interface.ts";
import { freshKey, turns } from "../core/support.ts";
import { ofType, open, refusal } from "../shape/support.ts";

type Waiting<T> = { resolve(value: T): void; reject(error: DcoError): void };

const cancelled = () => refusal("system", 995, "ERROR_OPERATION_ABORTED", "win32");

const NO_BYTES = { linkRxBytes: 0n, linkTxBytes: 0n, vpnRxBytes: 0n, vpnTxBytes: 0n };

/** A driver that pends reads and notifications, and ends them as its sheet says. */
class Device implements WindowsExchange {
  readonly log: [code: string, input: unknown][] = [];
  readonly written: [data: Uint8Array, to: IpEndpoint | undefined][] = [];
  reads: Waiting<Packet>[] = [];
  notifications: Waiting<Notification>[] = [];
  /** A TCP connect that is not answered. */
  connecting: Promise<void> | undefined;
  refuseWrite: DcoError | undefined;
  /** What MP_NEW_PEER is refused with. */
  refusePeer: DcoError | undefined;
  refuseClose: DcoError | undefined;
  refuseReset: DcoError | undefined;
  closed = 0;
  /** In multi-peer mode. */
  readonly peers = new Set<number>();

  async ioctl<C extends Command>(code: C, input: Requests[C], signal?: AbortSignal): Promise<Reply<C>> {
    this.log.push([code, input]);
    if (code === "NOTIFY_EVENT") return (await pended(this.notifications)) as Reply<C>;
    if (code === "NEW_PEER" && this.connecting) {
      await new Promise<void>((resolve, reject) => {
        signal?.addEventListener("abort", () => reject(cancelled()));
        void this.connecting?.then(resolve);
      });
    }
    if (code === "DEL_PEER") this.#cancel(this.reads);
    if (code === "MP_START_VPN") return { local: { address: "0.0.0.0", port: 5000 } } as Reply<C>;
    if (code === "MP_NEW_PEER" && this.refusePeer) throw this.refusePeer;
    if (code === "MP_NEW_PEER") this.peers.add((input as Requests["MP_NEW_PEER"]).peer);
    if (code === "MP_DEL_PEER") this.peers.delete((input as Requests["MP_DEL_PEER"]).peer);
    if (code === "GET_PEER_STATS") {
      const { peer } = input as Requests["GET_PEER_STATS"];
      if (peer >= 0 && !this.peers.has(peer)) {
        throw refusal("not-found", 2, "ERROR_FILE_NOT_FOUND", "win32");
      }
      return [...this.peers].map((id) => ({ peer: id, ...NO_BYTES })) as unknown as Reply<C>;
    }
    return undefined as Reply<C>;
  }

  read(): Promise<Packet> {
    return pended(this.reads);
  }

  async write(data: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    if (this.refuseWrite) throw this.refuseWrite;
    this.written.push([data, to]);
  }

  async reset(): Promise<void> {
    this.log.push(["reset", undefined]);
    if (this.refuseReset) throw this.refuseReset;
    this.#cancel(this.reads);
    this.#cancel(this.notifications);
  }

  async close(): Promise<void> {
    this.closed++;
    this.#cancel(this.reads);
    this.#cancel(this.notifications);
    if (this.refuseClose) throw this.refuseClose;
  }

  /** Ends one pended read with a Win32 error. */
  failRead(number: number): void {
    this.reads.shift()?.reject(refusal("system", number, `error ${number}`, "win32"));
  }

  notify(command: number, peer: number, reason = 0, address?: Notification["address"]): void {
    if (command === 0 && reason !== 1) this.peers.delete(peer);
    this.notifications.shift()?.resolve({ command, peer, reason, address });
  }

  codes(): string[] {
    const asked = ["NOTIFY_EVENT", "GET_PEER_STATS"];
    return this.log.map(([code]) => code).filter((code) => !asked.includes(code));
  }

  #cancel<T>(waiting: Waiting<T>[]): void {
    for (const { reject } of waiting.splice(0)) reject(cancelled());
  }
}

function pended<T>(list: Waiting<T>[]): Promise<T> {
  return new Promise((resolve, reject) => list.push({ resolve, reject }));
}

async function setUp(mode: InterfaceMode, created = false) {
  const device = new Device();
  const configured: ConfigureRequest[] = [];
  const routed: [peer: number, routes: string[]][] = [];
  const adapter: WindowsAdapter & { refuse?: DcoError; present?: boolean; removed?: boolean } = {
    configure: async (request) => {
      if (adapter.refuse) throw adapter.refuse;
      configured.push(request);
    },
    isLinkUp: () => undefined,
    isPresent: () => adapter.present !== false,
    setPeerRoutes: (peer, wanted) => {
      routed.push([peer, wanted.map(({ text, length }) => `${text}/${length}`)]);
      if (adapter.refuse && wanted.length > 0) throw adapter.refuse;
    },
    close: () => {},
    remove: async () => {
      adapter.removed = true;
    },
  };
  const version = { major: 2, minor: 8, patch: 0 };
  const facts = { version, chacha20: true, elevated: false };
  const capabilities = windowsCapabilities(facts, mode);
  const link = { name: "OpenVPN DCO", index: 12, created, capabilities };
  const parts = { ...link, version, exchange: device, adapter };
  const backend = mode === "p2p" ? new P2pInterface(parts) : new MultipeerInterface(parts);
  return {
    ...(await open(backend, "windows", windowsCapabilities(facts))),
    device,
    adapter,
    configured,
    routed,
  };
}

const remote = "198.51.100.7:1194";
const p2p = { protocol: "udp", remote } as const;
const multipeer = { protocol: "udp", local: "0.0.0.0:0" } as const;

async function p2pWithPeer() {
  const set = await setUp("p2p");
  const transport = await set.dco.openTransport(p2p);
  await set.dco.addPeer({ id: 5, transport, keepalive: { interval: 10, timeout: 60 } });
  return { ...set, transport };
}

describe("p2p", () => {
  test("the transport is made by the driver's peer; addPeer gives it an id", async () => {
    const { dco, device, transport } = await p2pWithPeer();
    expect(device.codes()).toEqual(["NEW_PEER", "START_VPN"]);
    expect(device.log[0]?.[1]).toMatchObject({ protocol: "udp", local: undefined, remote: { port: 1194 } });
    expect(transport.local).toBeUndefined();
    await dco.installKey(5, freshKey());
    expect(device.codes().slice(2)).toEqual(["NEW_KEY", "SET_PEER"]);
    expect(await dco.peer(5)).toMatchObject({ id: 5, remote: { address: "198.51.100.7", port: 1194 } });
  });

  test("several reads are pended, and their packets come from the transport's remote", async () => {
    const { device, transport } = await p2pWithPeer();
    expect(device.reads.length).toBeGreaterThan(1);
    const reader = transport.packets();
    device.reads.shift()?.resolve({ address: undefined, data: Uint8Array.of(0x38, 1, 2, 3) });
    expect((await reader.next()).value).toMatchObject({ from: { address: "198.51.100.7", port: 1194 } });
    await turns();
    expect(device.reads.length).toBeGreaterThan(1);
  });

  test("configure before the transport is applied with it, and fails with it", async () => {
    const { dco, device, adapter, configured } = await setUp("p2p");
    await dco.configure({ mtu: 1400 });
    await dco.configure({ addresses: ["10.8.0.2/24"], up: true });
    expect(configured).toEqual([]);
    adapter.refuse = new DcoError("exists", "another interface has this address");
    await expect(dco.openTransport(p2p)).rejects.toMatchObject({ code: "exists" });
    expect(device.codes().at(-1)).toBe("DEL_PEER");
    delete adapter.refuse;
    await dco.openTransport(p2p);
    expect(configured).toMatchObject([
      { mtu: 1400, up: true, addresses: [{ text: "10.8.0.2", length: 24 }] },
    ]);
  });

  test.each([
    [64, "expired"],
    [1236, "transport-disconnect"],
    [1450, "transport-error"],
  ] as const)("a pended read that fails with %i ends peer and transport: %s", async (code, reason) => {
    const { dco, device, events, transport } = await p2pWithPeer();
    const packets = transport.packets().next();
    device.failRead(code);
    if (code === 64) expect((await packets).done).toBe(true);
    else await expect(packets).rejects.toMatchObject({ native: { number: code } });
    await turns();
    expect(ofType(events, "peer-deleted")).toMatchObject([{ peer: 5, reason }]);
    expect(transport.closed).toBe(true);
    expect(await dco.peers()).toEqual([]);
    expect(device.codes().filter((each) => each === "DEL_PEER")).toHaveLength(1);
  });

  test("removing the peer ends the transport, and a new one can be opened", async () => {
    const { dco, device, events, transport } = await p2pWithPeer();
    await dco.removePeer(5);
    await turns();
    expect(ofType(events, "peer-deleted")).toMatchObject([{ peer: 5, reason: "requested" }]);
    expect(transport.closed).toBe(true);
    expect((await transport.packets().next()).done).toBe(true);
    const again = await dco.openTransport(p2p);
    await dco.addPeer({ id: 5, transport: again });
    expect(device.codes()).toEqual(["NEW_PEER", "START_VPN", "DEL_PEER", "NEW_PEER", "START_VPN"]);
    // A life of its own: its end is not mistaken for the first one's.
    device.failRead(64);
    await turns();
    expect(ofType(events, "peer-deleted").map(({ reason }) => reason)).toEqual(["requested", "expired"]);
  });

  test("who sees a transport end opens the next at once", async () => {
    const { dco, device, transport } = await p2pWithPeer();
    const packets = transport.packets().next();
    device.failRead(64);
    expect((await packets).done).toBe(true);
    const again = await dco.openTransport(p2p);
    expect(again.closed).toBe(false);
    expect(device.codes()).toEqual(["NEW_PEER", "START_VPN", "DEL_PEER", "NEW_PEER", "START_VPN"]);
  });

  test("a read that was given up with an earlier transport ends nothing of the next", async () => {
    const { dco, device, events, transport } = await p2pWithPeer();
    // The driver is late with it: it ends after its transport has been followed by another.
    const [late] = device.reads.splice(0, 1);
    await transport.close();
    const again = await dco.openTransport(p2p);
    await dco.addPeer({ id: 6, transport: again });
    late?.reject(cancelled());
    await turns();
    expect([again.closed, dco.closed]).toEqual([false, false]);
    expect(ofType(events, "interface-removed")).toEqual([]);
    expect(device.reads).toHaveLength(3);
    device.failRead(64);
    await turns();
    expect(ofType(events, "peer-deleted").map(({ peer, reason }) => [peer, reason])).toEqual([
      [5, "transport-closed"],
      [6, "expired"],
    ]);
  });

  test("a write that tells of a lost connection ends the transport; one that fails otherwise does not", async () => {
    const { device, events, transport } = await p2pWithPeer();
    const packet = Uint8Array.of(0x38, 1, 0, 0);
    device.refuseWrite = refusal("socket", 1232, "ERROR_HOST_UNREACHABLE", "win32");
    await expect(transport.send(packet)).rejects.toMatchObject({ code: "socket" });
    await turns();
    expect(transport.closed).toBe(false);
    device.refuseWrite = refusal("socket", 1236, "ERROR_CONNECTION_ABORTED", "win32");
    await expect(transport.send(packet)).rejects.toMatchObject({ code: "socket" });
    await turns();
    expect(transport.closed).toBe(true);
    expect(ofType(events, "peer-deleted")).toMatchObject([{ peer: 5, reason: "transport-disconnect" }]);
  });

  test("an adapter that is disabled under us ends the interface, once", async () => {
    const { dco, device, events, transport } = await p2pWithPeer();
    for (let n = 0; n < 3; n++) device.failRead(22);
    await turns();
    expect(events.map(({ type }) => type)).toEqual(["link", "interface-removed", "peer-deleted", "closed"]);
    expect(ofType(events, "peer-deleted")).toMatchObject([{ peer: 5, reason: "interface-removed" }]);
    expect(transport.closed).toBe(true);
    await expect(dco.openTransport(p2p)).rejects.toMatchObject({ code: "closed" });
    expect(device.closed).toBe(1);
  });

  test("a packet that did not fit is lost alone", async () => {
    const { device, events, transport } = await p2pWithPeer();
    device.failRead(122);
    await turns();
    expect(device.reads).toHaveLength(3);
    expect([transport.closed, ofType(events, "peer-deleted")]).toEqual([false, []]);
  });

  test("a peer whose routes cannot be set is not added, and none of them stays", async () => {
    const { dco, adapter, routed } = await setUp("p2p");
    const transport = await dco.openTransport(p2p);
    adapter.refuse = new DcoError("permission", "not elevated");
    const peer = { id: 5, transport, routes: ["192.168.5.0/24"] };
    await expect(dco.addPeer(peer)).rejects.toMatchObject({ code: "permission" });
    expect(routed).toEqual([
      [5, ["192.168.5.0/24"]],
      [5, []],
    ]);
    expect(await dco.peers()).toEqual([]);
  });

  test("packets keep the order in which they were received, whichever read tells first", async () => {
    const { device, transport } = await p2pWithPeer();
    const [one, two] = device.reads.splice(0, 2);
    two?.resolve({ address: undefined, data: Uint8Array.of(0x38, 2, 0, 0) });
    await turns();
    one?.resolve({ address: undefined, data: Uint8Array.of(0x38, 1, 0, 0) });
    const reader = transport.packets();
    expect([(await reader.next()).value?.data[1], (await reader.next()).value?.data[1]]).toEqual([1, 2]);
  });

  test("closing the transport ends its peer", async () => {
    const { device, events, transport } = await p2pWithPeer();
    await transport.close();
    expect(ofType(events, "peer-deleted")).toMatchObject([{ peer: 5, reason: "transport-closed" }]);
    expect(device.codes().filter((each) => each === "DEL_PEER")).toHaveLength(1);
  });

  test("a connection that is lost before it is a transport fails the opening, and the next may follow", async () => {
    const { dco, device } = await setUp("p2p");
    let connected = () => {};
    device.connecting = new Promise((resolve) => {
      connected = resolve;
    });
    const opening = dco.openTransport({ protocol: "tcp", remote });
    await turns();
    device.failRead(1236);
    await turns();
    connected();
    await expect(opening).rejects.toMatchObject({ native: { number: 1236 } });
    expect(device.codes()).toEqual(["NEW_PEER", "START_VPN", "DEL_PEER"]);
    device.connecting = undefined;
    const next = await dco.openTransport({ protocol: "tcp", remote });
    expect([next.closed, device.reads.length]).toEqual([false, 3]);
  });

  test("a packet that comes before the transport is there is its first", async () => {
    const { dco, device } = await setUp("p2p");
    let connected = () => {};
    device.connecting = new Promise((resolve) => {
      connected = resolve;
    });
    const opening = dco.openTransport({ protocol: "tcp", remote });
    await turns();
    device.reads.shift()?.resolve({ address: undefined, data: Uint8Array.of(0x38, 1, 0, 0) });
    await turns();
    connected();
    const reader = (await opening).packets();
    expect((await reader.next()).value?.data[1]).toBe(1);
  });

  test("reads that fail at once, again and again, do not stop the program", async () => {
    const { dco, device } = await setUp("p2p");
    let reads = 0;
    device.read = () => {
      if (++reads > 1000) throw new Error("it reads without end");
      return Promise.reject(refusal("system", 1450, "ERROR_NO_SYSTEM_RESOURCES", "win32"));
    };
    await expect(dco.openTransport(p2p)).rejects.toMatchObject({ native: { number: 1450 } });
    expect(reads).toBeLessThan(10);
  });

  test("a connect that is aborted leaves no peer", async () => {
    const { dco, device } = await setUp("p2p");
    device.connecting = new Promise(() => {});
    const abort = new AbortController();
    const opening = dco.openTransport({ protocol: "tcp", remote, signal: abort.signal });
    await turns();
    abort.abort();
    await expect(opening).rejects.toMatchObject({ code: "aborted", effect: "none" });
    await turns();
    expect(device.codes()).toEqual(["NEW_PEER", "DEL_PEER"]);
    device.connecting = undefined;
    await dco.openTransport(p2p);
  });

  test("what the driver cannot do is refused before it is asked", async () => {
    const { dco, device, transport } = await p2pWithPeer();
    const before = device.log.length;
    const refused = (capability: string) => ({ code: "unsupported", capability });
    const other = "203.0.113.9:1194";
    await expect(dco.openTransport(p2p)).rejects.toMatchObject(refused("maxTransports"));
    await expect(dco.addPeer({ id: 6, transport, replace: true })).rejects.toMatchObject(
      refused("replacePeer"),
    );
    await expect(dco.addPeer({ id: 6, transport, remote: other })).rejects.toMatchObject(
      refused("anyRemote"),
    );
    await expect(transport.send(Uint8Array.of(0x38, 0, 0, 0), { to: other })).rejects.toMatchObject(
      refused("anyRemote"),
    );
    await expect(dco.deleteKey(5, "primary")).rejects.toMatchObject(refused("deleteKey"));
    await expect(dco.configure({ up: false })).rejects.toMatchObject(refused("linkDown"));
    expect(device.log.length).toBe(before);
    const fresh = await setUp("p2p");
    await expect(fresh.dco.openTransport({ protocol: "udp", local: "0.0.0.0:0" })).rejects.toMatchObject(
      refused("anyRemote"),
    );
  });

  test("packets go to the remote without its address, which the handle does not take", async () => {
    const { device, transport } = await p2pWithPeer();
    await transport.send(Uint8Array.of(0x38, 1, 0, 0));
    await transport.send(Uint8Array.of(0x38, 2, 0, 0), { to: remote });
    expect(device.written.map(([data]) => data[1])).toEqual([1, 2]);
  });
});

async function withPeers() {
  const set = await setUp("multipeer");
  const transport = await set.dco.openTransport(multipeer);
  await set.dco.addPeer({ id: 5, transport, remote, vpn: { ipv4: "10.8.0.5" }, routes: ["192.168.5.0/24"] });
  return { ...set, transport };
}

describe("multipeer", () => {
  test("the socket is the transport and tells its address", async () => {
    const { dco, device, transport } = await withPeers();
    expect(device.codes()).toEqual(["MP_START_VPN", "MP_NEW_PEER", "MP_ADD_IROUTE"]);
    expect(transport.local).toEqual({ address: "0.0.0.0", port: 5000 });
    expect(dco.capabilities.closeTransport).toBe(false);
  });

  test("what a refused peer may leave in the driver's tables is taken out; what left nothing is not", async () => {
    const { dco, device, transport } = await withPeers();
    const another = { id: 6, transport, remote: "198.51.100.8:1194", vpn: { ipv4: "10.8.0.6" } };
    device.refusePeer = refusal("exists", 8, "ERROR_NOT_ENOUGH_MEMORY", "win32");
    await expect(dco.addPeer(another)).rejects.toMatchObject({ code: "exists" });
    expect(device.log.at(-1)).toEqual(["MP_DEL_PEER", { peer: 6 }]);
    device.refusePeer = refusal("exists", 5010, "ERROR_OBJECT_ALREADY_EXISTS", "win32");
    await expect(dco.addPeer(another)).rejects.toMatchObject({ code: "exists" });
    expect(device.log.at(-1)?.[0]).toBe("MP_NEW_PEER");
    device.refusePeer = undefined;
    await dco.addPeer(another);
    expect((await dco.peers()).map(({ id }) => id)).toEqual([5, 6]);
  });

  test("packets carry addresses, both ways", async () => {
    const { device, transport } = await withPeers();
    const from = { address: "203.0.113.9", port: 7 };
    const reader = transport.packets();
    device.reads.shift()?.resolve({ address: from, data: Uint8Array.of(0x38, 1) });
    expect((await reader.next()).value).toMatchObject({ from });
    await transport.send(Uint8Array.of(0x38, 2, 0, 0), { peer: 5 });
    expect(device.written[0]?.[1]).toMatchObject({ text: "198.51.100.7", port: 1194 });
  });

  test("the driver's events end and move peers; a late end is not that of a new peer", async () => {
    const { dco, device, events, transport } = await withPeers();
    await dco.removePeer(5);
    await dco.addPeer({ id: 5, transport, remote, vpn: { ipv4: "10.8.0.5" } });
    // What comes before the first peer's end is about the first peer.
    device.notify(2, 5, 0, { address: "203.0.113.9", port: 7 });
    await turns();
    device.notify(0, 5, 1);
    await turns();
    expect((await dco.peer(5)).remote).toEqual({ address: "198.51.100.7", port: 1194 });
    expect(ofType(events, "peer-deleted")).toMatchObject([{ reason: "requested" }]);
    const again = dco.addPeer({ id: 5, transport, remote, vpn: { ipv4: "10.8.0.5" } });
    await expect(again).rejects.toMatchObject({ code: "exists" });
    device.notify(2, 5, 0, { address: "203.0.113.9", port: 7 });
    await turns();
    expect((await dco.peer(5)).remote).toEqual({ address: "203.0.113.9", port: 7 });
    device.notify(0, 5, 2);
    await turns();
    expect(ofType(events, "peer-deleted").map(({ reason }) => reason)).toEqual(["requested", "expired"]);
  });

  test("a transport closes only with its interface, and does not keep that from closing", async () => {
    const { dco, device, events, transport } = await withPeers();
    const refused = { code: "unsupported", capability: "closeTransport", effect: "none" };
    await expect(transport.close()).rejects.toMatchObject(refused);
    await transport[Symbol.asyncDispose]();
    expect(transport.closed).toBe(false);
    await dco.close();
    expect(transport.closed).toBe(true);
    expect(device.closed).toBe(1);
    // The handle's end is the end of all: no peer is removed one by one.
    expect(device.codes()).not.toContain("MP_DEL_PEER");
    expect(ofType(events, "peer-deleted")).toMatchObject([{ peer: 5, reason: "interface-removed" }]);
  });

  test("a transport that came too late is undone by a new handle, with events again", async () => {
    const { dco, device } = await setUp("multipeer");
    const abort = new AbortController();
    const opening = dco.openTransport({ ...multipeer, signal: abort.signal });
    abort.abort();
    await expect(opening).rejects.toMatchObject({ code: "aborted", effect: "none" });
    await turns();
    expect(device.codes()).toEqual(["MP_START_VPN", "reset", "SET_MODE"]);
    expect(device.notifications).toHaveLength(1);
    await dco.openTransport(multipeer);
  });
});

test("what was created is removed also where the driver does not let go of the handle, which is told", async () => {
  const { dco, device, adapter } = await setUp("p2p", true);
  device.refuseClose = new DcoError("timeout", "the driver keeps it", { effect: "unknown" });
  await expect(dco.close()).rejects.toMatchObject({ code: "timeout", effect: "unknown" });
  expect(adapter.removed).toBe(true);
});

test("where the handle cannot be opened again the interface is over, and says so", async () => {
  const { dco, device, events } = await setUp("multipeer");
  device.refuseReset = new DcoError("timeout", "the driver keeps it", { effect: "unknown" });
  const abort = new AbortController();
  const opening = dco.openTransport({ ...multipeer, signal: abort.signal });
  abort.abort();
  await expect(opening).rejects.toMatchObject({ code: "aborted" });
  await turns();
  expect(events.map(({ type }) => type)).toEqual(["link", "unknown", "interface-removed", "closed"]);
  expect(dco.closed).toBe(true);
});

test("neither mode forgets what the other can: the driver's capabilities are those of both", async () => {
  const [one, other] = [await setUp("p2p"), await setUp("multipeer")];
  expect(one.dco.capabilities.transports).toEqual(["udp", "tcp"]);
  await expect(other.dco.openTransport({ protocol: "tcp", remote })).rejects.toMatchObject({
    code: "unsupported",
    capability: "transports",
  });
});
