/**
 * Taking over an interface while its owner goes on changing it.
 */
import { expect, test } from "vitest";
import { CoreDriver } from "../../../src/core/driver.ts";
import { DcoError } from "../../../src/core/errors.ts";
import type { DcoEvent, KeyInfo } from "../../../src/core/model.ts";
import { MemoryInterface, memoryDriver } from "../support/memory-backend.ts";
import { gate, turns } from "./support.ts";

const gone = (id: number) => new DcoError("not-found", `no peer ${id}`, { effect: "none" });

/** An interface of somebody else's with peers 1 to `count`. */
class ForeignInterface extends MemoryInterface {
  constructor(count: number) {
    super("multipeer", false);
    for (let id = 1; id <= count; id++) {
      this.kernel.set(id, {
        id,
        remote: { address: "192.0.2.9", port: id },
        local: undefined,
        vpn4: undefined,
        vpn6: undefined,
        keepalive: "off",
        txId: id,
      });
    }
  }
}

async function eventsOf(reader: AsyncIterable<DcoEvent>, into: DcoEvent[]): Promise<void> {
  for await (const event of reader) into.push(event);
}

test("a peer that ends between the list and its keys is no failure, and not adopted", async () => {
  class Racing extends ForeignInterface {
    override async keys(): Promise<undefined> {
      const id = this.asked++;
      if (id !== 2) return undefined;
      this.kernel.delete(2);
      this.tell({ type: "peer-deleted", peer: 2, reason: "expired" });
      throw gone(2);
    }
    asked = 1;
  }
  const backend = new Racing(3);
  const dco = await new CoreDriver(memoryDriver(backend, { readKeys: true })).adoptInterface("mem0");
  expect((await dco.peers()).map(({ id }) => id)).toEqual([1, 3]);
});

test("keys of the peers that are there are known", async () => {
  class Keyed extends ForeignInterface {
    override keys = async () =>
      [{ slot: "primary", id: 5, cipher: "aes-gcm" }] as KeyInfo[] as unknown as undefined;
  }
  const dco = await new CoreDriver(memoryDriver(new Keyed(1), { readKeys: true })).adoptInterface("mem0");
  expect(await dco.peers()).toMatchObject([{ id: 1, keys: [{ slot: "primary", id: 5 }] }]);
});

test("flush: a peer that ended by itself is no failure, and the others go", async () => {
  class Racing extends ForeignInterface {
    override async removePeer(id: number): Promise<void> {
      if (id === 2) {
        this.kernel.delete(2);
        throw gone(2);
      }
      await super.removePeer(id);
    }
  }
  const backend = new Racing(3);
  const dco = await new CoreDriver(memoryDriver(backend)).adoptInterface("mem0", { peers: "flush" });
  expect([...backend.kernel.keys()]).toEqual([]);
  expect(await dco.peers()).toEqual([]);
});

test("an adoption that fails leaves the interface, although it was to be deleted on close", async () => {
  const backend = new ForeignInterface(1);
  backend.failures.removePeer = new DcoError("permission", "no", { effect: "none" });
  const options = { peers: "flush", deleteOnClose: true } as const;
  const adopting = new CoreDriver(memoryDriver(backend)).adoptInterface("mem0", options);
  await expect(adopting).rejects.toMatchObject({ code: "permission" });
  expect(backend.closed).toBe(false);
});

test("so does one that is aborted", async () => {
  const backend = new ForeignInterface(0);
  const held = gate();
  const driver = new CoreDriver(memoryDriver(backend, {}, held.promise));
  const abort = new AbortController();
  const adopting = driver.adoptInterface("mem0", { deleteOnClose: true, signal: abort.signal });
  await turns();
  abort.abort();
  await expect(adopting).rejects.toMatchObject({ code: "aborted", effect: "none" });
  held.open();
  await driver.close();
  expect(backend.closed).toBe(false);
});

test("an interface that is kept and closed is deleted if that was asked for", async () => {
  const backend = new ForeignInterface(0);
  const driver = new CoreDriver(memoryDriver(backend));
  const dco = await driver.adoptInterface("mem0", { deleteOnClose: true });
  const events: DcoEvent[] = [];
  const reading = eventsOf(dco.events(), events);
  await dco.close();
  await reading;
  expect(backend.closed).toBe(true);
  expect(events).toEqual([{ type: "closed" }]);
});
