/**
 * An observer sees what the owner does.
 */
import { expect, test, vi } from "vitest";
import { CoreDriver } from "../../../src/core/driver.ts";
import { DcoError } from "../../../src/core/errors.ts";
import type { DcoEvent, KeyInfo } from "../../../src/core/model.ts";
import { MemoryInterface, memoryDriver } from "../support/memory-backend.ts";
import { peer, setUp, turns } from "./support.ts";

async function observe() {
  const backend = new MemoryInterface("multipeer", false);
  const driver = new CoreDriver(memoryDriver(backend, { readKeys: true }));
  const dco = await driver.adoptInterface("mem0", { role: "observer" });
  const events: DcoEvent[] = [];
  const reader = dco.events();
  void (async () => {
    for await (const event of reader) events.push(event);
  })();
  const ownerAdds = (id: number) => {
    const nothing = { remote: undefined, local: undefined, vpn4: undefined, vpn6: undefined };
    backend.kernel.set(id, { id, ...nothing, keepalive: "off", txId: id });
  };
  return { backend, dco, events, ownerAdds };
}

test("statistics hold peers that were added since", async () => {
  const { dco, ownerAdds } = await observe();
  ownerAdds(4);
  expect((await dco.stats()).map(({ id }) => id)).toEqual([4]);
});

test("so does the snapshot after lost events", async () => {
  const { backend, events, ownerAdds } = await observe();
  ownerAdds(4);
  backend.tell({ type: "overflow", lost: 1 });
  await turns();
  expect(events).toMatchObject([{ type: "overflow" }, { type: "snapshot", peers: [{ id: 4 }] }]);
});

test("peers() has only those that the kernel has now", async () => {
  const { dco, backend, transport } = await setUp();
  for (const id of [1, 2]) await dco.addPeer(peer(id, transport));
  backend.kernel.delete(1);
  expect((await dco.peers()).map(({ id }) => id)).toEqual([2]);
});

test("peer() asks about one that the owner has added since", async () => {
  const { dco, ownerAdds } = await observe();
  ownerAdds(4);
  expect(await dco.peer(4)).toMatchObject({ id: 4 });
  await expect(dco.peer(5)).rejects.toMatchObject({ code: "not-found" });
});

test("the keys are those that the owner has installed since, in every answer", async () => {
  const { dco, backend, events, ownerAdds } = await observe();
  const holds = (...keys: KeyInfo[]) => {
    backend.keys = async () => keys;
  };
  ownerAdds(4);
  holds({ slot: "primary", id: 0, cipher: "aes-gcm" });
  expect(await dco.peer(4)).toMatchObject({ keys: [{ slot: "primary", id: 0 }] });
  const rotated: KeyInfo[] = [
    { slot: "primary", id: 1, cipher: "aes-gcm" },
    { slot: "secondary", id: 0, cipher: "aes-gcm" },
  ];
  holds(...rotated);
  expect(await dco.peers()).toMatchObject([{ keys: rotated }]);
  holds({ slot: "primary", id: 1, cipher: "aes-gcm" });
  expect((await dco.peer(4)).keys).toEqual([{ slot: "primary", id: 1, cipher: "aes-gcm" }]);
  holds();
  backend.tell({ type: "overflow", lost: 1 });
  await vi.waitFor(() => expect(events).toMatchObject([{}, { type: "snapshot", peers: [{ keys: [] }] }]));
});

test("a peer that ends while its keys are read is no error", async () => {
  const { dco, backend, ownerAdds } = await observe();
  ownerAdds(4);
  backend.keys = async () => {
    throw new DcoError("not-found", "no peer 4");
  };
  expect((await dco.peers()).map(({ id }) => id)).toEqual([4]);
});

test("the peers go on when their observer closes", async () => {
  const { dco, events, ownerAdds } = await observe();
  ownerAdds(4);
  await dco.peers();
  await dco.close();
  await turns();
  expect(events).toEqual([{ type: "closed" }]);
});

test("the peers end when the interface is removed", async () => {
  const { dco, backend, events, ownerAdds } = await observe();
  ownerAdds(4);
  await dco.peers();
  backend.tell({ type: "interface-removed" });
  await turns();
  expect(events).toMatchObject([
    { type: "interface-removed" },
    { type: "peer-deleted", peer: 4, reason: "interface-removed" },
    { type: "closed" },
  ]);
});
