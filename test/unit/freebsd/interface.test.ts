import { expect, test } from "vitest";
import { freebsdCapabilities } from "../../../src/freebsd/capabilities.ts";
import { IFF_UP } from "../../../src/freebsd/ioctl.ts";
import { nvBinary, nvGet, nvNested, nvNumber } from "../../../src/freebsd/nvlist/list.ts";
import { OvpnInterface } from "../../../src/freebsd/ovpn-interface.ts";
import type { Stacks } from "../../../src/freebsd/stack.ts";
import { freshKey, turns } from "../core/support.ts";
import { ofType, open } from "../shape/support.ts";
import { MemoryTransport } from "../support/memory-backend.ts";
import { deletion, FakeKernel } from "./fake-kernel.ts";

class Socket extends MemoryTransport {
  readonly fd = 21;
}

async function setUp(created = true, peers: readonly number[] = []) {
  const kernel = new FakeKernel();
  for (const id of peers) kernel.ids.add(id);
  const stacks = { release() {} } as unknown as Stacks;
  const { stack } = kernel;
  const link = { name: "ovpn0", index: 3, flags: 0, mtu: 1428, mark: undefined };
  const backend = new OvpnInterface({ stacks, stack, link, mode: "multipeer", created });
  let wake = () => {};
  Object.assign(backend, {
    openTransport: async () => {
      wake = () => void backend.peer(0xfffffe).catch(() => {});
      return new Socket();
    },
  });
  const capabilities = freebsdCapabilities({ floats: true, replayProtection: false });
  const opened = await open(backend, "freebsd", capabilities, { peers: "keep" });
  return { ...opened, kernel, wake: () => wake() };
}

const udp = { protocol: "udp", local: "0.0.0.0:1194" } as const;
const remote = "198.51.100.7:40000";

async function withPeer() {
  const set = await setUp();
  const transport = await set.dco.openTransport(udp);
  await set.dco.addPeer({ id: 5, transport, remote, vpn: { ipv4: "10.8.0.2" } });
  return { ...set, transport };
}

test("a peer's address goes in the kernel's form, its port in network order", async () => {
  const { kernel } = await withPeer();
  const address = [
    nvNumber("af", 2),
    nvBinary("address", Uint8Array.of(198, 51, 100, 7)),
    nvNumber("port", 0x409c),
  ];
  expect(kernel.log.find(([command]) => command === "NEW_PEER")).toEqual([
    "NEW_PEER",
    [
      nvNested("remote", address),
      nvBinary("vpn_ipv4", Uint8Array.of(10, 8, 0, 2)),
      nvNumber("fd", 21),
      nvNumber("peerid", 5),
    ],
  ]);
});

test("the interface is started at once, and what START_VPN raises is put down again", async () => {
  const { dco, events, kernel } = await setUp();
  expect(kernel.started).toEqual(["START_VPN", "down"]);
  kernel.linkChanged();
  await turns();
  expect(ofType(events, "link")).toEqual([]);
  kernel.flags |= IFF_UP;
  await dco.linkUp();
  kernel.linkChanged();
  await turns();
  expect(ofType(events, "link")).toEqual([{ type: "link", up: true }]);
});

test("keepalive comes with the first key, both values at once", async () => {
  const { dco, kernel } = await withPeer();
  await dco.setPeer(5, { keepalive: { interval: 10, timeout: 60 } });
  expect(kernel.commands()).toEqual(["NEW_PEER"]);
  await dco.installKey(5, freshKey());
  expect(kernel.commands().slice(1)).toEqual(["NEW_KEY", "SET_PEER"]);
  expect(kernel.log.at(-1)?.[1]).toEqual([
    nvNumber("peerid", 5),
    nvNumber("interval", 10),
    nvNumber("timeout", 60),
  ]);
  await dco.installKey(5, freshKey("secondary", 1));
  expect(kernel.commands().slice(3)).toEqual(["NEW_KEY"]);
});

test("the request that held a key is zeroed, and the trace shows its size", async () => {
  const { dco, kernel } = await withPeer();
  const key = freshKey();
  const hex = [key.encrypt, key.decrypt].flatMap((direction) =>
    [direction.key, direction.nonceTail].map((bytes) => Buffer.from(bytes).toString("hex")),
  );
  await dco.installKey(5, key);
  for (const request of kernel.requests) expect(request.every((byte) => byte === 0)).toBe(true);
  const told = JSON.stringify(kernel.traced, (_, value) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  expect(told).toContain("32 bytes");
  for (const secret of hex) expect(told).not.toContain(secret);
});

test("a removed peer ends once, with the counters of its last event", async () => {
  const { dco, events, wake } = await withPeer();
  await dco.removePeer(5);
  wake();
  await turns();
  expect(ofType(events, "peer-deleted")).toMatchObject([
    { peer: 5, reason: "requested", finalStats: { tunnel: { rxBytes: 1000n, txPackets: 11n } } },
  ]);
});

test("an expired peer whose event is still queued makes room for another with its id", async () => {
  const { dco, events, kernel, transport } = await withPeer();
  kernel.ids.delete(5);
  kernel.queue.push(deletion(5, 1));
  await dco.addPeer({ id: 5, transport, remote, vpn: { ipv4: "10.8.0.2" } });
  await turns();
  expect(ofType(events, "peer-deleted")).toMatchObject([{ reason: "expired", finalStats: {} }]);
  expect((await dco.peers()).map(({ id }) => id)).toEqual([5]);
});

test("a full ring means lost events: what the kernel cannot tell of a peer stays known", async () => {
  const { dco, events, kernel, transport, wake } = await withPeer();
  await dco.addPeer({ id: 6, transport, remote: "198.51.100.8:40000", vpn: { ipv4: "10.8.0.3" } });
  kernel.ids.delete(6);
  for (let i = 0; i < 31; i++) kernel.queue.push([nvNumber("peerid", 99), nvNumber("notification", 1)]);
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
  const address = [
    nvNumber("af", 2),
    nvNumber("port", 0xaa04),
    nvBinary("address", Uint8Array.of(203, 0, 113, 9)),
  ];
  const notification = (number: number) => [nvNumber("peerid", 5), nvNumber("notification", number)];
  kernel.queue.push([...notification(2), nvNested("address", address)], notification(1), notification(77));
  wake();
  await turns();
  expect((await dco.peer(5)).remote).toEqual({ address: "203.0.113.9", port: 1194 });
  expect(events.map(({ type }) => type)).toEqual(["peer-floated", "rekey-advised", "unknown"]);
});

test("a right that is lost is told once, and a garbled answer is no end", async () => {
  const { dco, events, kernel, wake } = await withPeer();
  for (let i = 0; i < 3; i++) {
    kernel.refusals.set("POLL_PKT", "EPERM");
    wake();
    await turns();
  }
  expect(ofType(events, "permission-lost")).toHaveLength(1);
  kernel.queue.push([nvNumber("notification", 0)]);
  wake();
  await turns();
  expect(ofType(events, "unknown")).toMatchObject([{ detail: expect.stringContaining("peerid") }]);
  expect(await dco.peers()).toHaveLength(1);
});

test("an older kernel that adds nothing, and says that it went well, is found out", async () => {
  const { dco, kernel } = await setUp();
  const transport = await dco.openTransport(udp);
  kernel.addsNothing = true;
  const adding = dco.addPeer({ id: 5, transport, remote, vpn: { ipv4: "10.8.0.2" } });
  await expect(adding).rejects.toMatchObject({ code: "socket", effect: "none" });
  expect(await dco.peers()).toEqual([]);
});

test("statistics of more peers than fit the first answer", async () => {
  const { dco } = await setUp(
    false,
    Array.from({ length: 500 }, (_, id) => id),
  );
  expect(await dco.stats()).toHaveLength(500);
});

test("the peers of an adopted interface are known by their ids, and can be removed", async () => {
  const { dco, events } = await setUp(false, [3, 4]);
  expect((await dco.peers()).map(({ id, remote }) => [id, remote])).toEqual([
    [3, undefined],
    [4, undefined],
  ]);
  await dco.removePeer(3);
  await turns();
  expect(ofType(events, "peer-deleted")).toMatchObject([{ peer: 3, reason: "requested" }]);
});

test.each([
  ["NEW_PEER", "EBUSY", "socket"],
  ["NEW_PEER", "EPROTOTYPE", "socket"],
  ["NEW_PEER", "EEXIST", "exists"],
  ["NEW_PEER", "EPERM", "permission"],
  ["NEW_PEER", "ENXIO", "not-found"],
  ["NEW_PEER", "ENOTSOCK", "socket"],
  ["NEW_KEY", "EOPNOTSUPP", "unsupported"],
  ["NEW_KEY", "ENOENT", "not-found"],
  ["SWAP_KEYS", "ENOLINK", "not-found"],
  ["DEL_PEER", "ENOENT", "not-found"],
] as const)("%s refused with %s is %s, and the number is FreeBSD's", async (command, errno, code) => {
  const { dco, kernel, transport } = await withPeer();
  await dco.installKey(5, freshKey());
  await dco.installKey(5, freshKey("secondary", 1));
  kernel.refusals.set(command, errno);
  const calls = {
    NEW_PEER: () => dco.addPeer({ id: 6, transport, remote, vpn: { ipv4: "10.8.0.3" } }),
    NEW_KEY: () => dco.installKey(5, freshKey("secondary", 2)),
    SWAP_KEYS: () => dco.swapKeys(5),
    DEL_PEER: () => dco.removePeer(5),
  };
  await expect(calls[command]()).rejects.toMatchObject({ code, native: { kind: "errno", name: errno } });
});

test("what the kernel cannot do is refused before it is asked", async () => {
  const { dco, kernel } = await withPeer();
  const before = kernel.log.length;
  const refused = (capability: string) => ({ code: "unsupported", capability });
  await expect(dco.openTransport(udp)).rejects.toMatchObject(refused("maxTransports"));
  await expect(dco.openTransport({ protocol: "tcp", remote })).rejects.toMatchObject(refused("transports"));
  await expect(dco.setPeer(5, { keepalive: "off" })).rejects.toMatchObject(refused("disarmKeepalive"));
  await expect(dco.setPeer(5, { remote })).rejects.toMatchObject(refused("setRemote"));
  await expect(dco.configure({ routes: [{ destination: "10.0.0.0/8", metric: 1 }] })).rejects.toMatchObject(
    refused("routeMetric"),
  );
  expect(kernel.log.length).toBe(before);
});

test("a peer whose end was told to somebody else ends here too, once, as external", async () => {
  const { dco, events, kernel } = await withPeer();
  kernel.ids.delete(5);
  await expect(dco.removePeer(5)).rejects.toMatchObject({ code: "not-found" });
  await turns();
  expect(ofType(events, "peer-deleted")).toMatchObject([{ peer: 5, reason: "external" }]);
  expect(await dco.peers()).toEqual([]);
});

test("many peers and keys at once: a refusal is that of one, and every request that held a key is zeroed", async () => {
  const { dco, kernel } = await setUp();
  const transport = await dco.openTransport(udp);
  const ids = Array.from({ length: 100 }, (_, id) => id);
  kernel.refuseAt = (command, id) => (command !== "DEL_PEER" && id === 70 ? "EEXIST" : undefined);
  const added = await dco.addPeers(
    ids.map((id) => ({ id, transport, remote, vpn: { ipv4: `10.8.1.${id}` } })),
  );
  expect(added.flatMap(({ ok }, id) => (ok ? [] : [id]))).toEqual([70]);
  expect(added[70]).toMatchObject({ error: { code: "exists", native: { name: "EEXIST" }, effect: "none" } });
  expect(await dco.peers()).toHaveLength(99);

  kernel.refuseAt = (command, id) => (command === "NEW_KEY" && id === 3 ? "EOPNOTSUPP" : undefined);
  const keyed = await dco.installKeys(ids.slice(0, 10).map((peer) => ({ peer, key: freshKey() })));
  expect(keyed.flatMap(({ ok }, id) => (ok ? [] : [id]))).toEqual([3]);
  for (const request of kernel.requests) expect(request.every((byte) => byte === 0)).toBe(true);
  await dco.installKeys(ids.slice(0, 3).map((peer) => ({ peer, key: freshKey("secondary", 1) })));
  kernel.refuseAt = (command, id) => (command === "SWAP_KEYS" && id === 1 ? "ENOENT" : undefined);
  const swapped = await dco.swapKeysOf([0, 1, 2]);
  expect(swapped.map(({ ok }) => ok)).toEqual([true, false, true]);
});

test("a primary that is emptied beside a key of id 0 gets one that nobody has, until it is used again", async () => {
  const { dco, kernel } = await withPeer();
  const keyIds = () =>
    kernel.log.flatMap(([command, list]) =>
      command === "NEW_KEY" || command === "DEL_KEY"
        ? [[command, ...["slot", "keyid"].map((name) => Number(nvGet(list, name, "number") ?? -1n))]]
        : [],
    );
  await dco.installKey(5, freshKey("primary", 1));
  await dco.installKey(5, freshKey("secondary", 0));
  await dco.deleteKey(5, "primary");
  expect(keyIds().at(-1)).toEqual(["NEW_KEY", 0, 7]);
  expect(await dco.keys(5)).toMatchObject([{ slot: "secondary", id: 0 }]);
  await dco.deleteKey(5, "secondary");
  expect(keyIds().slice(-2)).toEqual([
    ["DEL_KEY", 0, -1],
    ["DEL_KEY", 1, -1],
  ]);
  await dco.installKey(5, freshKey("primary", 0));
  await dco.installKey(5, freshKey("secondary", 2));
  await dco.deleteKey(5, "primary");
  expect(keyIds().at(-1)).toEqual(["DEL_KEY", 0, -1]);
  await dco.swapKeys(5);
  await dco.installKey(5, freshKey("secondary", 0));
  await dco.deleteKey(5, "primary");
  await dco.swapKeys(5);
  // What nobody has is in the secondary slot now, where it does no harm.
  await dco.deleteKey(5, "primary");
  expect(keyIds().at(-1)).toEqual(["DEL_KEY", 0, -1]);
});

test("events are asked for with room for the largest: the kernel takes one from its queue before it looks", async () => {
  const { kernel, wake } = await withPeer();
  kernel.queue.push(deletion(5, 1));
  wake();
  await turns();
  expect(kernel.rooms.get("GET_PKT")).toBeGreaterThanOrEqual(4096);
});

test("before FreeBSD 14.4 peers have no local address, and do not move", () => {
  const capabilities = freebsdCapabilities({ floats: false, replayProtection: true });
  expect(capabilities).toMatchObject({
    peerLocalAddress: false,
    floatEvent: "none",
    replayProtection: "enabled",
  });
});
