import { describe, expect, test } from "vitest";
import { CoreDriver } from "../../../src/core/driver.ts";
import { MemoryInterface, memoryDriver } from "../support/memory-backend.ts";
import { freshKey, gate, peer, setUp, turns } from "./support.ts";

describe("abort", () => {
  test("before dispatch there is no effect", async () => {
    const { dco, backend, transport } = await setUp();
    const before = [...backend.log];
    const signal = AbortSignal.abort();
    await expect(dco.addPeer(peer(1, transport), { signal })).rejects.toMatchObject({
      code: "aborted",
      effect: "none",
      operation: "addPeer",
    });
    expect(backend.log).toEqual(before);
  });

  test("of a call that waits for another on the same peer, it never reaches the kernel", async () => {
    const { dco, backend, transport } = await setUp();
    await dco.addPeer(peer(1, transport));
    const held = gate();
    backend.gates.swapKeys = held.promise;
    await dco.installKey(1, freshKey());
    await dco.installKey(1, freshKey("secondary", 1));
    const swap = dco.swapKeys(1);
    const abort = new AbortController();
    const removal = dco.removePeer(1, { signal: abort.signal });
    abort.abort();
    await expect(removal).rejects.toMatchObject({ code: "aborted" });
    held.open();
    await swap;
    await turns();
    expect(backend.log).not.toContain("removePeer 1");
  });

  test("after dispatch the effect is unknown", async () => {
    const { dco, backend, transport } = await setUp();
    await dco.addPeer(peer(1, transport));
    const held = gate();
    backend.gates.removePeer = held.promise;
    const abort = new AbortController();
    const removal = dco.removePeer(1, { signal: abort.signal });
    await turns();
    abort.abort();
    await expect(removal).rejects.toMatchObject({ code: "aborted", effect: "unknown" });
    held.open();
    await turns();
    expect(await dco.peers()).toEqual([]);
  });

  test("an interface that is made too late is closed again", async () => {
    const backend = new MemoryInterface("p2p");
    const held = gate();
    const driver = new CoreDriver(memoryDriver(backend, {}, held.promise));
    const abort = new AbortController();
    const making = driver.createInterface({ mode: "p2p", signal: abort.signal });
    await turns();
    abort.abort();
    await expect(making).rejects.toMatchObject({ code: "aborted", effect: "none" });
    held.open();
    await driver.close();
    expect(backend.closed).toBe(true);
  });

  test("of what cannot be taken back is no promise that nothing happened", async () => {
    const held = gate();
    const backend = new MemoryInterface("p2p");
    const native = memoryDriver(backend, {}, held.promise);
    const driver = new CoreDriver({ ...native, deleteInterface: () => held.promise });
    const abort = new AbortController();
    const { signal } = abort;
    const calls = [
      driver.deleteInterface("mem0", { signal }),
      driver.createInterface({ mode: "p2p", name: "mem0", onExisting: "replace", signal }),
      driver.adoptInterface("mem0", { peers: "flush", signal }),
    ];
    const settled = Promise.allSettled(calls);
    await turns();
    abort.abort();
    const unknown = { reason: { code: "aborted", effect: "unknown" } };
    expect(await settled).toMatchObject([unknown, unknown, unknown]);
    held.open();
    await driver.close();
  });

  test("a transport that is opened too late is closed again", async () => {
    const { dco, backend } = await setUp();
    const held = gate();
    backend.gates.openTransport = held.promise;
    const abort = new AbortController();
    const opening = dco.openTransport({ protocol: "udp", local: "0.0.0.0:0", signal: abort.signal });
    await turns();
    abort.abort();
    await expect(opening).rejects.toMatchObject({ code: "aborted", effect: "none" });
    held.open();
    await turns();
    expect(backend.transports.map((transport) => transport.closed)).toEqual([0, 1]);
  });
});

describe("close", () => {
  test("rejects what is in flight, and later calls, with closed", async () => {
    const { dco, backend, transport } = await setUp();
    await dco.addPeer(peer(1, transport));
    const held = gate();
    backend.gates.removePeer = held.promise;
    const removal = dco.removePeer(1);
    await turns();
    const closing = dco.close();
    await expect(removal).rejects.toMatchObject({ code: "closed", effect: "unknown" });
    held.open();
    await closing;
    await expect(dco.addPeer(peer(2, transport))).rejects.toMatchObject({ code: "closed" });
    await expect(transport.send(Uint8Array.of(0x38, 0, 0, 0))).rejects.toMatchObject({ code: "closed" });
  });

  test("ends linkUp, packets and events", async () => {
    const { dco, transport, events } = await setUp();
    const link = dco.linkUp();
    const packet = transport.packets().next();
    await Promise.all([
      expect(link).rejects.toMatchObject({ code: "closed" }),
      turns().then(() => dco.close()),
    ]);
    expect(await packet).toEqual({ done: true, value: undefined });
    expect(events.at(-1)).toEqual({ type: "closed" });
  });

  test("is idempotent", async () => {
    const { dco, backend } = await setUp();
    await Promise.all([dco.close(), dco.close()]);
    await dco.close();
    expect(backend.log.filter((line) => line === "close")).toHaveLength(1);
  });

  test("releases the transports although deleting the interface fails", async () => {
    const { DcoError } = await import("../../../src/core/errors.ts");
    const { dco, backend, events } = await setUp();
    backend.failures.close = new DcoError("permission", "no");
    await expect(dco.close()).rejects.toMatchObject({ code: "permission", operation: "close" });
    expect(backend.transports[0]?.closed).toBe(1);
    expect(events.at(-1)).toEqual({ type: "closed" });
  });

  test("a peer whose transport closes while it is added does not reach the kernel", async () => {
    const { dco, backend, transport } = await setUp("p2p");
    await dco.addPeer({ id: 1, transport });
    const held = gate();
    backend.gates.removePeer = held.promise;
    const adding = dco.addPeer({ id: 2, transport, replace: true });
    await turns();
    const closing = transport.close();
    held.open();
    await expect(adding).rejects.toMatchObject({ code: "socket", field: "transport" });
    await closing;
    expect(backend.log).not.toContain("addPeer 2");
  });
});

describe("control packets", () => {
  test("go on being read when nobody iterates; the oldest are dropped and counted", async () => {
    const { dco, backend } = await setUp();
    const transport = await dco.openTransport({ protocol: "udp", local: "0.0.0.0:0", queueLimit: 2 });
    const { handlers } = backend.transports[1] ?? {};
    const from = { address: "192.0.2.2", port: 1194 };
    for (const n of [1, 2, 3]) handlers?.onPacket(Uint8Array.of(0x38, n), from);
    handlers?.onPacket(Uint8Array.of(9 << 3, 0, 0, 1), from);
    const packets = transport.packets();
    expect((await packets.next()).value).toEqual({ data: Uint8Array.of(0x38, 2), from });
    expect(transport.counters).toMatchObject({ received: 3n, droppedQueueFull: 1n, droppedData: 1n });
    expect(() => transport.packets()).toThrowError(/another reader/);
    await packets.return?.();
    expect((await transport.packets().next()).value).toMatchObject({ data: Uint8Array.of(0x38, 3) });
  });

  test("a transport that ends by itself gives its reader the error, and takes its peers along", async () => {
    const { dco, backend, transport, events } = await setUp();
    await dco.addPeer(peer(1, transport));
    const packet = transport.packets().next();
    backend.transports[0]?.handlers?.onEnd(new Error("reset"));
    await expect(packet).rejects.toMatchObject({ code: "system", message: "reset" });
    await turns();
    expect(transport.closed).toBe(true);
    expect(events).toMatchObject([{ type: "peer-deleted", peer: 1, reason: "transport-error" }]);
  });
});

test("closing the interface tells a transport that is being opened to give up", async () => {
  const { dco, backend } = await setUp();
  let told: AbortSignal | undefined;
  backend.openTransport = (_request: unknown, signal?: AbortSignal) => {
    told = signal;
    return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("gave up"))));
  };
  const opening = dco.openTransport({ protocol: "tcp", remote: "192.0.2.1:1194" });
  await turns();
  expect(told?.aborted).toBe(false);
  await Promise.all([expect(opening).rejects.toMatchObject({ code: "closed" }), dco.close()]);
  expect(told?.aborted).toBe(true);
});
