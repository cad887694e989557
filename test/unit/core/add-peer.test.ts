/**
 * Adding peers when something comes between.
 */
import { expect, test } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { freshKey, gate, peer, setUp, turns } from "./support.ts";

test("after an abort the id is free at once, and what is added then stays", async () => {
  const { dco, backend, transport, events } = await setUp();
  const held = gate();
  backend.gates.addPeer = held.promise;
  const abort = new AbortController();
  const first = dco.addPeer(peer(1, transport), { signal: abort.signal });
  await turns();
  abort.abort();
  await expect(first).rejects.toMatchObject({ code: "aborted", effect: "none" });
  const second = dco.addPeer(peer(1, transport));
  held.open();
  const { generation } = await second;
  await turns();
  expect((await dco.peers()).map((info) => info.generation)).toEqual([generation]);
  expect(backend.kernel.has(1)).toBe(true);
  expect(events).toMatchObject([{ type: "peer-deleted", peer: 1, generation: 1, reason: "requested" }]);
});

test("an abort does not take back the replacement of the peer, and says so", async () => {
  const { dco, backend, transport } = await setUp("p2p");
  await dco.addPeer({ id: 1, transport });
  const held = gate();
  backend.gates.addPeer = held.promise;
  const abort = new AbortController();
  const adding = dco.addPeer({ id: 2, transport, replace: true }, { signal: abort.signal });
  await turns();
  abort.abort();
  await expect(adding).rejects.toMatchObject({ code: "aborted", effect: "unknown" });
  held.open();
  await turns();
  expect(await dco.peers()).toEqual([]);
});

test("a replacement that fails says that the old peer may be gone", async () => {
  const { dco, backend, transport } = await setUp("p2p");
  await dco.addPeer({ id: 1, transport });
  backend.failures.addPeer = new DcoError("socket", "no", { effect: "none" });
  await expect(dco.addPeer({ id: 2, transport, replace: true })).rejects.toMatchObject({
    code: "socket",
    effect: "unknown",
  });
  expect(await dco.peers()).toEqual([]);
});

test("what may have come into being in a failed call is removed", async () => {
  const { dco, backend, transport } = await setUp();
  const add = backend.addPeer.bind(backend);
  backend.addPeer = async (request) => {
    await add(request);
    throw new DcoError("protocol", "no answer", { effect: "unknown" });
  };
  await expect(dco.addPeer(peer(1, transport))).rejects.toMatchObject({ code: "protocol" });
  expect(backend.kernel.size).toBe(0);
});

test("a peer is not replaced on the transport that would end with it", async () => {
  const { dco, backend, transport, events } = await setUp("p2p", { peerEndsTransport: ["udp"] });
  await dco.addPeer({ id: 1, transport });
  await expect(dco.addPeer({ id: 1, transport, replace: true })).rejects.toMatchObject({
    code: "unsupported",
    capability: "peerEndsTransport",
    effect: "none",
  });
  expect(backend.kernel.has(1)).toBe(true);
  expect(events).toEqual([]);
  await dco.installKey(1, freshKey());
});

test("routes of a peer that ended while they were set are free", async () => {
  const { dco, backend, transport } = await setUp();
  const withRoutes = { ...peer(1, transport), routes: ["10.7.0.0/16"] };
  await dco.addPeer(withRoutes);
  const held = gate();
  backend.gates.setPeer = held.promise;
  backend.failures.setPeer = new DcoError("not-found", "gone", { effect: "none" });
  const setting = dco.setPeer(1, { routes: ["10.8.0.0/16"] });
  await turns();
  backend.kernel.delete(1);
  backend.tell({ type: "peer-deleted", peer: 1, reason: "expired" });
  held.open();
  await expect(setting).rejects.toMatchObject({ code: "not-found" });
  await dco.addPeer({ ...peer(2, transport), routes: ["10.7.0.0/16", "10.8.0.0/16"] });
});
