import { describe, expect, test } from "vitest";
import type { BackendPeer } from "../../../src/core/backend.ts";
import { DcoError } from "../../../src/core/errors.ts";
import { gate, peer, setUp, turns } from "./support.ts";

describe("every peer ends exactly once", () => {
  test("the kernel's late notification of a requested removal is swallowed", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    await dco.removePeer(1);
    backend.tell({ type: "peer-deleted", peer: 1, reason: "userspace" });
    await turns();
    expect(events).toEqual([{ type: "peer-deleted", peer: 1, generation: 1, reason: "requested" }]);
  });

  test("a late end of the old peer is not taken for the new peer with the same id", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    await dco.removePeer(1);
    const again = await dco.addPeer(peer(1, transport));
    expect(again).toEqual({ id: 1, generation: 2 });
    backend.tell({ type: "peer-deleted", peer: 1, reason: "userspace" });
    await turns();
    expect(events).toHaveLength(1);
    expect((await dco.peers()).map((info) => info.generation)).toEqual([2]);
    backend.kernel.delete(1);
    backend.tell({ type: "peer-deleted", peer: 1, reason: "expired" });
    await turns();
    expect(events[1]).toEqual({ type: "peer-deleted", peer: 1, generation: 2, reason: "expired" });
  });

  test("a notification that comes before the removal is acknowledged gives the one event", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    const held = gate();
    backend.gates.removePeer = held.promise;
    const removal = dco.removePeer(1);
    backend.tell({ type: "peer-deleted", peer: 1, reason: "userspace" });
    held.open();
    await removal;
    await turns();
    expect(events).toEqual([{ type: "peer-deleted", peer: 1, generation: 1, reason: "requested" }]);
  });

  test("a peer that expires while it is being removed ends as expired, and the removal is not-found", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    const held = gate();
    backend.gates.removePeer = held.promise;
    const removal = dco.removePeer(1);
    backend.kernel.delete(1);
    held.open();
    setImmediate(() => backend.tell({ type: "peer-deleted", peer: 1, reason: "expired" }));
    await expect(removal).rejects.toMatchObject({ code: "not-found", operation: "removePeer" });
    await turns();
    expect(events).toMatchObject([{ type: "peer-deleted", peer: 1 }]);
  });

  test("a removal by somebody else is believed only if the kernel confirms it", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    backend.tell({ type: "peer-deleted", peer: 1, reason: "userspace" });
    await turns();
    expect(events).toEqual([]);
    backend.kernel.delete(1);
    backend.tell({ type: "peer-deleted", peer: 1, reason: "userspace" });
    await turns();
    expect(events).toEqual([{ type: "peer-deleted", peer: 1, generation: 1, reason: "external" }]);
  });

  test("an id whose peer is gone in the kernel can be used again before its event was read", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    backend.kernel.delete(1);
    await dco.addPeer(peer(1, transport));
    backend.tell({ type: "peer-deleted", peer: 1, reason: "expired" });
    await turns();
    expect(events).toEqual([{ type: "peer-deleted", peer: 1, generation: 1, reason: "unknown" }]);
    expect(await dco.peers()).toHaveLength(1);
  });

  test("an end that addPeer finds has the reason of its event, which is on its way", async () => {
    for (const doubt of [false, true]) {
      const { dco, backend, transport, events } = await setUp();
      await dco.addPeer(peer(1, transport));
      backend.kernel.delete(1);
      setTimeout(() => backend.tell({ type: "peer-deleted", peer: 1, reason: "expired", doubt }), 1);
      await dco.addPeer(peer(1, transport));
      await turns();
      expect(events).toEqual([{ type: "peer-deleted", peer: 1, generation: 1, reason: "expired" }]);
      expect((await dco.peers()).map((info) => info.generation)).toEqual([2]);
      backend.kernel.delete(1);
      backend.tell({ type: "peer-deleted", peer: 1, reason: "expired", doubt });
      await turns();
      expect(events[1]).toMatchObject({ generation: 2, reason: "expired" });
    }
  });

  test("a doubtful end is believed only if the kernel confirms it, whatever its reason", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    for (const reason of ["expired", "teardown", "transport-disconnect", "userspace"] as const) {
      backend.tell({ type: "peer-deleted", peer: 1, reason, doubt: true });
      await turns();
      expect(events).toEqual([]);
    }
    backend.kernel.delete(1);
    backend.tell({ type: "peer-deleted", peer: 1, reason: "expired", doubt: true });
    await turns();
    expect(events).toMatchObject([{ peer: 1, reason: "expired" }]);
  });

  test("a peer that somebody else has added is in the way in p2p mode, and is replaced", async () => {
    const { dco, backend, transport, events } = await setUp("p2p");
    const { dco: other, backend: elsewhere, transport: theirs } = await setUp("p2p");
    await other.addPeer({ id: 9, transport: theirs });
    for (const [id, peer] of elsewhere.kernel) backend.kernel.set(id, peer);
    await expect(dco.addPeer({ id: 1, transport })).rejects.toMatchObject({ code: "exists" });
    await dco.addPeer({ id: 1, transport, replace: true });
    expect([...backend.kernel.keys()]).toEqual([1]);
    await turns();
    expect(events).toMatchObject([{ type: "peer-deleted", peer: 9, reason: "replaced" }]);
  });

  test("replace removes a peer that somebody else has added", async () => {
    const { dco, backend, transport } = await setUp();
    const { dco: other, backend: elsewhere, transport: theirs } = await setUp();
    await other.addPeer(peer(3, theirs));
    for (const [id, peer] of elsewhere.kernel) backend.kernel.set(id, peer);
    await dco.addPeer({ ...peer(3, transport), replace: true });
    expect(backend.log).toEqual(["openTransport", "removePeer 3", "addPeer 3"]);
  });

  test("closing the transport ends its peers, closing the interface the others", async () => {
    const { dco, transport, events } = await setUp();
    const other = await dco.openTransport({ protocol: "udp", local: "0.0.0.0:0", remote: "192.0.2.2:1194" });
    await dco.addPeer(peer(1, transport));
    await dco.addPeer(peer(2, other));
    await transport.close();
    await dco.close();
    expect(events).toEqual([
      { type: "peer-deleted", peer: 1, generation: 1, reason: "transport-closed" },
      { type: "peer-deleted", peer: 2, generation: 2, reason: "interface-removed" },
      { type: "closed" },
    ]);
  });

  test("replace: true gives the old peer its end", async () => {
    const { dco, transport, events } = await setUp("p2p");
    await dco.addPeer({ id: 1, transport });
    await expect(dco.addPeer({ id: 2, transport })).rejects.toMatchObject({ code: "exists", effect: "none" });
    await dco.addPeer({ id: 2, transport, replace: true });
    await turns();
    expect(events).toEqual([{ type: "peer-deleted", peer: 1, generation: 1, reason: "replaced" }]);
  });
});

describe("lost events", () => {
  test("overflow of the kernel ends what is gone, and is followed by a true snapshot", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    await dco.addPeer(peer(2, transport));
    backend.kernel.delete(1);
    backend.tell({ type: "overflow", lost: 9 });
    await turns();
    expect(events).toMatchObject([
      { type: "peer-deleted", peer: 1, generation: 1, reason: "unknown" },
      { type: "overflow", lost: 9, where: "kernel" },
      { type: "snapshot", peers: [{ id: 2, generation: 2 }] },
    ]);
  });

  test("after an overflow a late end of an earlier life is not taken for the new peer", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    await dco.removePeer(1);
    backend.tell({ type: "overflow", lost: 1 });
    await turns();
    await dco.addPeer(peer(1, transport));
    events.length = 0;
    backend.tell({ type: "peer-deleted", peer: 1, reason: "expired" });
    await turns();
    expect(events).toEqual([]);
    expect(await dco.peers()).toHaveLength(1);
  });

  test("a slow reader gets overflow, a snapshot of now, and then what happens after it", async () => {
    const { dco, backend, transport } = await setUp();
    const reader = dco.events({ queueLimit: 3 });
    for (const id of [1, 2, 3, 4, 5, 6]) await dco.addPeer(peer(id, transport));
    for (const id of [1, 2, 3, 4, 5]) await dco.removePeer(id);
    expect((await reader.next()).value).toEqual({ type: "overflow", lost: 5, where: "reader" });
    await dco.removePeer(6);
    expect((await reader.next()).value).toMatchObject({ type: "snapshot", peers: [{ id: 6 }] });
    expect((await reader.next()).value).toMatchObject({ type: "peer-deleted", peer: 6 });
    backend.tell({ type: "unknown", native: 99, detail: "new" });
    expect((await reader.next()).value).toMatchObject({ type: "unknown", native: 99 });
  });

  test("an interface that vanishes ends its peers and closes", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    backend.tell({ type: "interface-removed" });
    await turns();
    expect(events.map((event) => event.type)).toEqual(["interface-removed", "peer-deleted", "closed"]);
    expect(backend.closed).toBe(false);
    await expect(dco.peers()).rejects.toSatisfy((error) => DcoError.is(error) && error.code === "closed");
  });
});

describe("about a peer", () => {
  test("a float moves the peer, and control packets to it follow", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    backend.tell({ type: "peer-floated", peer: 1, remote: { address: "198.51.100.9", port: 5000 } });
    await turns();
    expect(events).toMatchObject([{ type: "peer-floated", peer: 1, remote: { address: "198.51.100.9" } }]);
    await transport.send(Uint8Array.of(0x38, 1, 0, 0), { peer: 1 });
    expect(backend.transports[0]?.sent[0]?.to).toMatchObject({ text: "198.51.100.9", port: 5000 });
  });

  test("a doubtful event is given only if the kernel has the peer", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    backend.kernel.delete(1);
    backend.tell({ type: "key-exhausted", peer: 1, keyId: 0, doubt: true });
    await turns();
    expect(events).toEqual([]);
  });

  test("a doubtful float is given only if the kernel has the peer there", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    const remote = { address: "198.51.100.9", port: 5000 };
    backend.tell({ type: "peer-floated", peer: 1, remote, doubt: true });
    await turns();
    expect(events).toEqual([]);
    backend.kernel.set(1, { ...(backend.kernel.get(1) as BackendPeer), remote });
    backend.tell({ type: "peer-floated", peer: 1, remote, doubt: true });
    await turns();
    expect(events).toMatchObject([{ type: "peer-floated", peer: 1, remote }]);
  });

  test("events about peers that are not there are ignored", async () => {
    const { backend, events } = await setUp();
    backend.tell({ type: "peer-deleted", peer: 9, reason: "expired" });
    backend.tell({ type: "peer-floated", peer: 9, remote: { address: "192.0.2.9", port: 1 } });
    await turns();
    expect(events).toEqual([]);
  });
});

describe("many losses", () => {
  test("that come while the kernel is asked are asked about once more, together", async () => {
    const { backend, events } = await setUp();
    const held = gate();
    let asked = 0;
    backend.peers = async () => {
      asked++;
      await held.promise;
      return [];
    };
    backend.tell({ type: "overflow", lost: 1 });
    await turns();
    for (const lost of [2, 3, 4]) backend.tell({ type: "overflow", lost });
    await turns();
    held.open();
    await turns();
    expect(asked).toBe(2);
    expect(events.filter(({ type }) => type === "overflow")).toEqual([
      { type: "overflow", lost: 1, where: "kernel" },
      { type: "overflow", lost: 9, where: "kernel" },
    ]);
    backend.tell({ type: "overflow", lost: 5 });
    await turns();
    expect(asked).toBe(3);
  });
});
