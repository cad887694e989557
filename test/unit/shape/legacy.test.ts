import { expect, test } from "vitest";
import type { BackendStats } from "../../../src/core/backend.ts";
import type { InterfaceMode } from "../../../src/core/model.ts";
import {
  type LegacyExchange,
  LegacyInterface,
  type LegacyPeer,
  type LegacyRequests,
  type LegacySystem,
  type LegacyTransport,
} from "../../../src/linux/legacy.ts";
import { legacyCapabilities } from "../../../src/linux/legacy-capabilities.ts";
import { freshKey, turns } from "../core/support.ts";
import { MemoryTransport } from "../support/memory-backend.ts";
import { ofType, open, refusal } from "./support.ts";

const EXPIRED = 2;

/** A module that remembers peer ids; in p2p mode it lists none. */
class Module implements LegacyExchange {
  readonly log: [command: string, attributes: unknown][] = [];
  readonly ids = new Set<number>();
  readonly #mode: InterfaceMode;
  deleted: (peer: number, reason: number) => void = () => {};
  lost: (count: number) => void = () => {};

  constructor(mode: InterfaceMode) {
    this.#mode = mode;
  }

  async request<C extends keyof LegacyRequests>(command: C, attributes: LegacyRequests[C]): Promise<void> {
    this.log.push([command, attributes]);
    if (command === "NEW_PEER") this.ids.add(attributes.peer);
    if (command === "DEL_PEER" && !this.ids.delete(attributes.peer)) throw refusal("not-found", 2, "ENOENT");
  }

  async get(id: number): Promise<LegacyPeer> {
    if (!this.ids.has(id)) throw refusal("not-found", 2, "ENOENT");
    const stats: BackendStats = { id, link: undefined, tunnel: undefined };
    const remote = { address: "198.51.100.7", port: 1194 };
    const none = { local: undefined, vpn4: undefined, vpn6: undefined };
    return { peer: { id, remote, ...none, keepalive: "off" }, stats };
  }

  async dump(): Promise<LegacyPeer[]> {
    if (this.#mode === "p2p") return [];
    return Promise.all([...this.ids].map((id) => this.get(id)));
  }

  watch(deleted: (peer: number, reason: number) => void, lost: (count: number) => void): () => void {
    this.deleted = deleted;
    this.lost = lost;
    return () => {};
  }
}

class Socket extends MemoryTransport implements LegacyTransport {
  readonly fd = 21;
}

async function setUp(mode: InterfaceMode, created = true) {
  const module = new Module(mode);
  const log: string[] = [];
  const system: LegacySystem = {
    openSocket: async () => new Socket(),
    listen: async () => ({
      local: { address: "0.0.0.0", port: 1194 },
      start: () => {},
      close: async () => {},
    }),
    configure: async () => {},
    isLinkUp: async () => true,
    watchLink: () => () => {},
    setPeerRoutes: () => {},
    deleteLink: async () => void log.push(`delete link, peers: ${module.ids.size}`),
  };
  const backend = new LegacyInterface({ name: "dco0", index: 4, mode, created }, module, system);
  return { backend, module, log };
}

async function p2pWithPeer() {
  const set = await setUp("p2p");
  const opened = await open(set.backend, "linux-legacy", legacyCapabilities());
  const transport = await opened.dco.openTransport({ protocol: "udp", remote: "198.51.100.7:1194" });
  await opened.dco.addPeer({ id: 5, transport });
  return { ...set, ...opened, transport };
}

test("in p2p mode, where a dump is empty, the peer is read and survives lost events", async () => {
  const { dco, events, module } = await p2pWithPeer();
  expect(await dco.stats()).toMatchObject([{ id: 5 }]);
  module.lost(3);
  await turns();
  expect(ofType(events, "peer-deleted")).toEqual([]);
  expect(ofType(events, "snapshot")).toMatchObject([{ peers: [{ id: 5 }] }]);
});

test("in p2p mode a peer that expired while events were lost is found missing", async () => {
  const { events, module } = await p2pWithPeer();
  module.ids.clear();
  module.lost(1);
  await turns();
  expect(ofType(events, "peer-deleted")).toMatchObject([{ peer: 5, reason: "unknown" }]);
});

test("an end that is told after another peer got the id is not that peer's", async () => {
  const { dco, events, module, transport } = await p2pWithPeer();
  await dco.removePeer(5);
  await dco.addPeer({ id: 5, transport });
  module.deleted(5, 1);
  await turns();
  expect(await dco.stats()).toHaveLength(1);
  expect(ofType(events, "peer-deleted")).toMatchObject([{ reason: "requested" }]);
  module.ids.clear();
  module.deleted(5, EXPIRED);
  await turns();
  expect(ofType(events, "peer-deleted").map(({ reason }) => reason)).toEqual(["requested", "expired"]);
});

test("keepalive goes with both halves, off as two zeros", async () => {
  const { dco, module } = await p2pWithPeer();
  await dco.setPeer(5, { keepalive: { interval: 10, timeout: 60 } });
  await dco.installKey(5, freshKey());
  await dco.setPeer(5, { keepalive: "off" });
  expect(module.log.filter(([command]) => command === "SET_PEER").map(([, list]) => list)).toEqual([
    { peer: 5, interval: 10, timeout: 60 },
    { peer: 5, interval: 0, timeout: 0 },
  ]);
});

test("a descriptor's close ends no peer in the module, so the transport's close removes them", async () => {
  const { events, module, transport } = await p2pWithPeer();
  await transport.close();
  expect(module.log.at(-1)).toEqual(["DEL_PEER", { peer: 5 }]);
  expect(ofType(events, "peer-deleted")).toMatchObject([{ reason: "transport-closed" }]);
});

test("peers go before their interface", async () => {
  const { dco, log } = await p2pWithPeer();
  await dco.close();
  expect(log).toEqual(["delete link, peers: 0"]);
});

test("the peers of an adopted interface are found in multipeer mode; in p2p they cannot be flushed", async () => {
  const multipeer = await setUp("multipeer", false);
  multipeer.module.ids.add(3);
  const { dco } = await open(multipeer.backend, "linux-legacy", legacyCapabilities());
  expect(await dco.peers()).toMatchObject([{ id: 3 }]);
  const p2p = await setUp("p2p", false);
  p2p.module.ids.add(3);
  await expect(
    open(p2p.backend, "linux-legacy", legacyCapabilities(), { peers: "flush" }),
  ).rejects.toMatchObject({ code: "unsupported", capability: "listPeers", effect: "none" });
  expect(p2p.module.ids).toEqual(new Set([3]));
});
