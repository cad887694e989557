/**
 * An observer sees what the owner does.
 */
import { expect, test } from "vitest";
import { CoreDriver } from "../../../src/core/driver.ts";
import type { DcoEvent } from "../../../src/core/model.ts";
import { MemoryInterface, memoryDriver } from "../support/memory-backend.ts";
import { peer, setUp, turns } from "./support.ts";

async function observe() {
  const backend = new MemoryInterface("multipeer", false);
  const dco = await new CoreDriver(memoryDriver(backend)).adoptInterface("mem0", { role: "observer" });
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
