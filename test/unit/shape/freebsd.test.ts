import { expect, test } from "vitest";
import type { OpenTransportRequest } from "../../../src/core/backend.ts";
import { freebsdCapabilities } from "../../../src/freebsd/capabilities.ts";
import type {
  FreebsdExchange,
  FreebsdNotification,
  FreebsdReplies,
  FreebsdRequests,
  FreebsdSystem,
  FreebsdTransport,
} from "../../../src/freebsd/exchange.ts";
import { adoptedMode, FreebsdInterface, setMode } from "../../../src/freebsd/shape.ts";
import { freshKey, turns } from "../core/support.ts";
import { MemoryTransport } from "../support/memory-backend.ts";
import { ofType, open, refusal } from "./support.ts";

/** A kernel that remembers peer ids and queues events. */
class Kernel implements FreebsdExchange {
  readonly log: [command: string, list: unknown][] = [];
  readonly ids = new Set<number>();
  readonly queue: FreebsdNotification[] = [];
  /** Later kernels refuse a second socket; older ones say that it went well. */
  addsNothing = false;

  set<C extends keyof FreebsdRequests>(command: C, list: FreebsdRequests[C]): void {
    this.log.push([command, list]);
    const peerid = (list as { peerid?: number } | undefined)?.peerid ?? -1;
    if (command === "NEW_PEER" && !this.addsNothing) this.ids.add(peerid);
    if (command === "DEL_PEER") {
      if (!this.ids.delete(peerid)) throw refusal("not-found", 2, "ENOENT");
      this.queue.push(deleted(peerid, 0));
    }
  }

  get<C extends keyof FreebsdReplies>(command: C): FreebsdReplies[C] {
    const replies: { [K in keyof FreebsdReplies]: () => FreebsdReplies[K] } = {
      POLL_PKT: () => ({ pending: this.queue.length }),
      GET_PKT: () => this.queue.shift(),
      GET_PEER_STATS: () =>
        this.ids.size === 0
          ? {}
          : { peers: [...this.ids].map((peerid) => ({ peerid, packets: inOut(1n), bytes: inOut(100n) })) },
    };
    return replies[command]();
  }

  commands(): string[] {
    return this.log.map(([command]) => command);
  }
}

const inOut = (value: bigint) => ({ in: value, out: value + 1n });

function deleted(peerid: number, del_reason: number): FreebsdNotification {
  return { peerid, notification: 0, del_reason, packets: inOut(10n), bytes: inOut(1000n) };
}

class Socket extends MemoryTransport implements FreebsdTransport {
  readonly fd = 21;
}

async function setUp(created = true, peers: readonly number[] = []) {
  const kernel = new Kernel();
  for (const id of peers) kernel.ids.add(id);
  let wake = () => {};
  const routes: unknown[] = [];
  const system: FreebsdSystem = {
    openSocket: async (_request: OpenTransportRequest) => new Socket(),
    configure: async () => {},
    isLinkUp: async () => false,
    setPeerRoutes: (peer, list) => void routes.push([peer, list.length]),
    watch: (onWake) => {
      wake = onWake;
      return () => {};
    },
    destroy: async () => {},
  };
  const backend = new FreebsdInterface(
    { name: "ovpn0", index: 3, mode: "multipeer", created },
    kernel,
    system,
  );
  const capabilities = freebsdCapabilities({ floats: true, replayProtection: false });
  const opened = await open(backend, "freebsd", capabilities, { peers: "keep" });
  return { ...opened, kernel, routes, wake: () => wake() };
}

const udp = { protocol: "udp", local: "0.0.0.0:1194" } as const;
const remote = "198.51.100.7:40000";

async function withPeer() {
  const set = await setUp();
  const transport = await set.dco.openTransport(udp);
  await set.dco.addPeer({ id: 5, transport, remote, vpn: { ipv4: "10.8.0.2" }, routes: ["192.168.5.0/24"] });
  return { ...set, transport };
}

test("a peer's address goes in the kernel's form, its port in network order", async () => {
  const { kernel, routes } = await withPeer();
  expect(kernel.log[0]).toEqual([
    "NEW_PEER",
    {
      peerid: 5,
      fd: 21,
      remote: { af: 2, address: Uint8Array.of(198, 51, 100, 7), port: 0x409c },
      vpn_ipv4: Uint8Array.of(10, 8, 0, 2),
    },
  ]);
  expect(routes).toEqual([[5, 1]]);
});

test("the interface starts with the first key, and keepalive after it, both values at once", async () => {
  const { dco, kernel } = await withPeer();
  await dco.setPeer(5, { keepalive: { interval: 10, timeout: 60 } });
  expect(kernel.commands()).toEqual(["NEW_PEER"]);
  await dco.installKey(5, freshKey());
  expect(kernel.commands().slice(1)).toEqual(["NEW_KEY", "START_VPN", "SET_PEER"]);
  expect(kernel.log[3]).toEqual(["SET_PEER", { peerid: 5, interval: 10, timeout: 60 }]);
  await dco.installKey(5, freshKey("secondary", 1));
  expect(kernel.commands().slice(4)).toEqual(["NEW_KEY"]);
});

test("a removed peer ends once, with the counters of its last event, and its routes go", async () => {
  const { dco, events, routes, wake } = await withPeer();
  await dco.removePeer(5);
  wake();
  await turns();
  expect(ofType(events, "peer-deleted")).toMatchObject([
    { peer: 5, reason: "requested", finalStats: { tunnel: { rxBytes: 1000n, txPackets: 11n } } },
  ]);
  expect(routes).toEqual([
    [5, 1],
    [5, 0],
  ]);
});

test("an expired peer whose event is still queued makes room for another with its id", async () => {
  const { dco, events, kernel, transport } = await withPeer();
  kernel.ids.delete(5);
  kernel.queue.push(deleted(5, 1));
  await dco.addPeer({ id: 5, transport, remote, vpn: { ipv4: "10.8.0.2" } });
  await turns();
  expect(ofType(events, "peer-deleted")).toMatchObject([{ reason: "expired", finalStats: {} }]);
  expect((await dco.peers()).map(({ id }) => id)).toEqual([5]);
});

test("a full ring means lost events: what the kernel cannot tell of a peer stays known", async () => {
  const { dco, events, kernel, transport, wake } = await withPeer();
  await dco.addPeer({ id: 6, transport, remote: "198.51.100.8:40000", vpn: { ipv4: "10.8.0.3" } });
  kernel.ids.delete(6);
  for (let i = 0; i < 31; i++) kernel.queue.push({ peerid: 99, notification: 1 });
  wake();
  await turns();
  expect(ofType(events, "peer-deleted")).toMatchObject([{ peer: 6, reason: "unknown" }]);
  expect(ofType(events, "overflow")).toEqual([{ type: "overflow", lost: undefined, where: "kernel" }]);
  expect(ofType(events, "snapshot")).toMatchObject([
    { peers: [{ id: 5, vpn: { ipv4: "10.8.0.2" }, remote: { address: "198.51.100.7", port: 40000 } }] },
  ]);
});

test("a float moves the peer, a half-used key is told, and an unknown event ends nothing", async () => {
  const { dco, events, kernel, wake } = await withPeer();
  const address = { af: 2, address: Uint8Array.of(203, 0, 113, 9), port: 0xaa04 } as const;
  kernel.queue.push(
    { peerid: 5, notification: 2, address },
    { peerid: 5, notification: 1 },
    { peerid: 5, notification: 77 },
  );
  wake();
  await turns();
  expect((await dco.peer(5)).remote).toEqual({ address: "203.0.113.9", port: 1194 });
  expect(events.map(({ type }) => type)).toEqual(["peer-floated", "rekey-advised", "unknown"]);
});

test("an older kernel that adds nothing, and says that it went well, is found out", async () => {
  const { dco, kernel } = await setUp();
  const transport = await dco.openTransport(udp);
  kernel.addsNothing = true;
  const adding = dco.addPeer({ id: 5, transport, remote, vpn: { ipv4: "10.8.0.2" } });
  await expect(adding).rejects.toMatchObject({ code: "socket", effect: "none" });
  expect(await dco.peers()).toEqual([]);
});

test("the peers of an adopted interface are known by their ids, and can be removed", async () => {
  const { dco, events } = await setUp(false, [3, 4]);
  expect((await dco.peers()).map(({ id, remote }) => [id, remote])).toEqual([
    [3, undefined],
    [4, undefined],
  ]);
  expect(await dco.stats()).toHaveLength(2);
  await dco.removePeer(3);
  await turns();
  expect(ofType(events, "peer-deleted")).toMatchObject([{ peer: 3, reason: "requested" }]);
});

test("what the kernel cannot do is refused before it is asked", async () => {
  const { dco, kernel } = await withPeer();
  const before = kernel.log.length;
  const refused = (capability: string) => ({ code: "unsupported", capability });
  await expect(dco.openTransport(udp)).rejects.toMatchObject(refused("maxTransports"));
  await expect(dco.openTransport({ protocol: "tcp", remote })).rejects.toMatchObject(refused("transports"));
  await expect(dco.setPeer(5, { keepalive: "off" })).rejects.toMatchObject(refused("disarmKeepalive"));
  await expect(dco.setPeer(5, { remote })).rejects.toMatchObject(refused("setRemote"));
  expect(kernel.log.length).toBe(before);
});

test("modes are flags, which an adopted interface does not tell", () => {
  const kernel = new Kernel();
  setMode(kernel, "p2p");
  setMode(kernel, "multipeer");
  expect(kernel.log.map(([, list]) => list)).toEqual([{ ifmode: 0x8010 }, { ifmode: 0x8002 }]);
  const request = { name: "ovpn0", role: "owner", peers: "keep", deleteOnClose: false, extras: {} } as const;
  expect(adoptedMode({ ...request, mode: "p2p" })).toBe("p2p");
  expect(() => adoptedMode({ ...request, mode: undefined })).toThrow(/^mode: is missing/);
});
