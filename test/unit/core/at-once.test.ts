/**
 * Bulk verbs on a backend that does many requests at once: the same outcomes as one by one.
 */
import { expect, test } from "vitest";
import type { BackendInterface, Outcome } from "../../../src/core/backend.ts";
import { MOST_AT_ONCE } from "../../../src/core/backend.ts";
import type { DcoInterface, Transport } from "../../../src/core/contract.ts";
import { CoreDriver } from "../../../src/core/driver.ts";
import { DcoError } from "../../../src/core/errors.ts";
import type { BulkResult } from "../../../src/core/model.ts";
import { MemoryInterface, memoryDriver } from "../support/memory-backend.ts";
import { freshKey, gate, peer } from "./support.ts";

type Send = NonNullable<BackendInterface["addPeersNow"]>;

/** Does in one turn what a test's `refuse` lets through. */
class AtOnceInterface extends MemoryInterface {
  readonly batches: string[] = [];
  refuse: (verb: string, id: number) => Outcome = () => undefined;

  addPeersNow(items: Parameters<Send>[0]): readonly Outcome[] {
    return this.#each(
      "add",
      items.map(({ request }) => request),
      ({ id }) => {
        const fields = { remote: undefined, local: undefined, vpn4: undefined, vpn6: undefined };
        this.kernel.set(id, { id, ...fields, keepalive: "off", txId: id });
      },
    );
  }

  installKeysNow(items: readonly { readonly id: number }[]): readonly Outcome[] {
    return this.#each("key", items, () => {});
  }

  swapKeysNow(items: readonly { readonly id: number }[]): readonly Outcome[] {
    return this.#each("swap", items, () => {});
  }

  #each<I extends { readonly id: number }>(verb: string, items: readonly I[], done: (item: I) => void) {
    this.batches.push(`${verb} ${items.map(({ id }) => id).join(" ")}`);
    return items.map((item) => {
      const outcome = this.refuse(verb, item.id);
      if (outcome === undefined) done(item);
      return outcome;
    });
  }
}

async function setUp(): Promise<{ dco: DcoInterface; backend: AtOnceInterface; transport: Transport }> {
  const backend = new AtOnceInterface("multipeer");
  const dco = await new CoreDriver(memoryDriver(backend)).createInterface({ mode: "multipeer" });
  const transport = await dco.openTransport({
    protocol: "udp",
    local: "0.0.0.0:0",
    remote: "192.0.2.2:1194",
  });
  return { dco, backend, transport };
}

function outcome(results: readonly BulkResult<unknown>[]): (true | string | undefined)[] {
  return results.map((result) => result.ok || (result.error as DcoError).code);
}

const range = (count: number) => Array.from({ length: count }, (_, n) => n);

test("many peers, keys and swaps go out together, and none is forgotten", async () => {
  const { dco, backend, transport } = await setUp();
  const ids = range(1000);
  const progress: number[] = [];
  const added = await dco.addPeers(
    ids.map((id) => peer(id, transport)),
    { onProgress: (done) => progress.push(done) },
  );
  expect(added.every((result, id) => result.ok && result.value.id === id)).toBe(true);
  expect(progress).toEqual(ids.map((id) => id + 1));
  for (const slot of ["primary", "secondary"] as const) {
    const id = slot === "primary" ? 0 : 1;
    const results = await dco.installKeys(ids.map((peer) => ({ peer, key: freshKey(slot, id) })));
    expect(results.every(({ ok }) => ok)).toBe(true);
  }
  expect((await dco.swapKeysOf(ids)).every(({ ok }) => ok)).toBe(true);
  expect((await dco.keys(999)).map(({ slot, id }) => `${slot} ${id}`)).toEqual(["primary 1", "secondary 0"]);
  expect(backend.log.filter((line) => !line.startsWith("openTransport"))).toEqual([]);
  const sizes = backend.batches.map((batch) => batch.split(" ").length - 1);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(4000);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(MOST_AT_ONCE);
  expect(Math.max(...sizes)).toBeGreaterThan(1);
});

test("each item settles by itself, and errors name it", async () => {
  const { dco, backend, transport } = await setUp();
  backend.refuse = (_, id) => (id === 3 ? new DcoError("exists", "no", { effect: "none" }) : undefined);
  const ids = [1, 2, -1, 3, 2, 4];
  const results = await dco.addPeers(ids.map((id) => peer(id, transport)));
  expect(outcome(results)).toEqual([true, true, "invalid", "exists", "exists", true]);
  expect(results[2]).toMatchObject({
    error: { field: "peers[2].id", operation: "addPeers", target: "peers[2]" },
  });
  expect(results[3]).toMatchObject({ error: { operation: "addPeers", target: "peers[3]", effect: "none" } });
  expect((await dco.peers()).map(({ id }) => id)).toEqual([1, 2, 4]);

  const key = freshKey();
  const bad = { ...freshKey(), id: 8 };
  const again = { ...freshKey(), encrypt: key.encrypt };
  const installed = await dco.installKeys([
    { peer: 1, key },
    { peer: 9, key: freshKey() },
    { peer: 2, key: bad },
    { peer: 4, key: again },
  ]);
  expect(outcome(installed)).toEqual([true, "not-found", "invalid", "invalid"]);
  expect(installed[2]).toMatchObject({ error: { field: "keys[2].key.id" } });
  expect(installed[3]).toMatchObject({ error: { field: "keys[3].key.encrypt.key" } });
  const swapped = await dco.swapKeysOf([1, "x" as never, 9]);
  expect(outcome(swapped)).toEqual(["not-found", "invalid", "not-found"]);
  expect(swapped[1]).toMatchObject({ error: { field: "peers[1]", operation: "swapKeysOf" } });
});

test("a send that fails as a whole fails each item, and takes nothing", async () => {
  const { dco, backend, transport } = await setUp();
  await dco.addPeers([peer(1, transport), peer(2, transport)]);
  backend.refuse = () => {
    throw new DcoError("closed", "the socket is closed", { effect: "none" });
  };
  const keys = [1, 2].map((peer) => ({ peer, key: freshKey() }));
  expect(outcome(await dco.installKeys(keys))).toEqual(["closed", "closed"]);
  backend.refuse = () => undefined;
  expect(outcome(await dco.installKeys(keys))).toEqual([true, true]);
});

test("both keys of a peer in one call: the second sees the first", async () => {
  const { dco, transport } = await setUp();
  await dco.addPeers([peer(1, transport), peer(2, transport)]);
  const items = [1, 2].flatMap((peer) => [
    { peer, key: freshKey("primary", 0) },
    { peer, key: freshKey("secondary", 1) },
  ]);
  expect(outcome(await dco.installKeys(items))).toEqual([true, true, true, true]);
  expect(await dco.keys(2)).toHaveLength(2);
});

test("what the backend leaves is done by the verb for one", async () => {
  const { dco, backend, transport } = await setUp();
  backend.refuse = (_, id) => (id % 2 === 1 ? "later" : undefined);
  expect(outcome(await dco.addPeers([1, 2, 3, 4].map((id) => peer(id, transport))))).toEqual(
    Array(4).fill(true),
  );
  expect(backend.log).toEqual(expect.arrayContaining(["addPeer 1", "addPeer 3"]));
  expect(backend.log).not.toContain("addPeer 2");
  const keys = [1, 2].map((peer) => ({ peer, key: freshKey() }));
  expect(outcome(await dco.installKeys(keys))).toEqual([true, true]);
  expect(backend.log).toContain("installKey 1 primary 0");
});

test("an item that is replaced, has a keepalive to arm, or is at work elsewhere goes its own way", async () => {
  const { dco, backend, transport } = await setUp();
  await dco.addPeers([
    peer(1, transport),
    { ...peer(2, transport), keepalive: { interval: 10, timeout: 60 } },
  ]);
  const replaced = await dco.addPeers([{ ...peer(1, transport), replace: true }]);
  expect(outcome(replaced)).toEqual([true]);
  expect(backend.log).toEqual(expect.arrayContaining(["removePeer 1", "addPeer 1"]));
  await dco.installKeys([{ peer: 2, key: freshKey() }]);
  expect(backend.log).toContain('setPeer 2 {"interval":10,"timeout":60}');

  await dco.installKeys([{ peer: 2, key: freshKey("secondary", 1) }]);
  const held = gate();
  backend.gates.removePeer = held.promise;
  const removal = dco.removePeer(2);
  const swap = dco.swapKeysOf([2]);
  held.open();
  await removal;
  expect(outcome(await swap)).toEqual(["not-found"]);
});

test("an abort leaves the rest undone; closing settles them", async () => {
  const { dco, transport } = await setUp();
  const abort = new AbortController();
  const results = await dco.addPeers(
    range(500).map((id) => peer(id, transport)),
    { signal: abort.signal, onProgress: (done) => done === 100 && abort.abort() },
  );
  const made = outcome(results).filter((each) => each === true).length;
  expect(made).toBeGreaterThanOrEqual(100);
  expect(made).toBeLessThan(100 + MOST_AT_ONCE);
  for (const result of results.slice(made)) {
    expect(result).toMatchObject({ ok: false, error: { code: "aborted", effect: "none" } });
  }
  expect(await dco.peers()).toHaveLength(made);

  const adding = dco.addPeers(range(20_000).map((id) => peer(1000 + id, transport)));
  const refused = expect(adding).rejects.toMatchObject({ code: "closed" });
  await dco.close();
  await refused;
});

test("a request whose effect nobody knows: the peer is removed, the slot counts as empty", async () => {
  const { dco, backend, transport } = await setUp();
  const lost = new DcoError("protocol", "no answer", { effect: "unknown" });
  backend.refuse = (verb, id) => (verb === "add" && id === 2 ? lost : undefined);
  expect(outcome(await dco.addPeers([peer(1, transport), peer(2, transport)]))).toEqual([true, "protocol"]);
  expect(backend.log).toContain("removePeer 2");
  backend.refuse = () => lost;
  const key = freshKey();
  expect(outcome(await dco.installKeys([{ peer: 1, key }]))).toEqual(["protocol"]);
  backend.refuse = () => undefined;
  expect(await dco.keys(1)).toEqual([]);
  // It may be in the kernel, so it must not be used again.
  expect(outcome(await dco.installKeys([{ peer: 1, key }]))).toEqual(["invalid"]);
});
