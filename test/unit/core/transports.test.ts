/**
 * Transports and listeners when something goes wrong, or two want the same.
 */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import type { BackendListener, BackendTransport, OpenTransportRequest } from "../../../src/core/backend.ts";
import type { DcoInterface } from "../../../src/core/contract.ts";
import { CoreDriver } from "../../../src/core/driver.ts";
import { throwIfAborted } from "../../../src/core/lifetime.ts";
import { MemoryInterface, MemoryTransport, memoryDriver } from "../support/memory-backend.ts";
import { gate, peer, setUp, turns } from "./support.ts";

const from = { address: "192.0.2.2", port: 1194 };

class MemoryListener implements BackendListener {
  readonly local = { address: "0.0.0.0", port: 1194 };
  readonly held = gate();
  connect: (transport: BackendTransport) => void = () => {};
  closed = 0;

  start(onTransport: (transport: BackendTransport) => void): void {
    this.connect = onTransport;
  }

  async close(): Promise<void> {
    await this.held.promise;
    this.closed++;
  }
}

class Listening extends MemoryInterface {
  readonly listener = new MemoryListener();
  override async listen(): Promise<BackendListener> {
    return this.listener;
  }
}

async function listening(backlog?: number) {
  const backend = new Listening("multipeer");
  const driver = new CoreDriver(memoryDriver(backend));
  const dco = await driver.createInterface({ mode: "multipeer" });
  const options = { protocol: "tcp", local: "0.0.0.0:1194", ...(backlog && { backlog }) } as const;
  return { dco, backend, native: backend.listener, listener: await dco.listen(options) };
}

async function open(backend: MemoryInterface): Promise<DcoInterface> {
  return new CoreDriver(memoryDriver(backend)).createInterface({ mode: "multipeer" });
}

test("two reads of packets at once get one each", async () => {
  const { backend, transport } = await setUp();
  const packets = transport.packets();
  const reads = [packets.next(), packets.next(), packets.next()];
  await turns();
  for (const n of [1, 2]) backend.transports[0]?.handlers?.onPacket(Uint8Array.of(0x38, n), from);
  expect((await reads[0])?.value).toMatchObject({ data: Uint8Array.of(0x38, 1) });
  expect((await reads[1])?.value).toMatchObject({ data: Uint8Array.of(0x38, 2) });
  await transport.close();
  expect(await reads[2]).toEqual({ done: true, value: undefined });
});

test("two iterations of a listener share its connections, and both end with it", async () => {
  const { listener, native } = await listening();
  native.held.open();
  const iterators = [1, 2, 3].map(() => listener[Symbol.asyncIterator]());
  const reads = iterators.map((iterator) => iterator.next());
  await turns();
  native.connect(new MemoryTransport());
  native.connect(new MemoryTransport());
  expect(await reads[0]).toMatchObject({ done: false });
  expect(await reads[1]).toMatchObject({ done: false });
  await listener.close();
  expect(await reads[2]).toMatchObject({ done: true });
});

test("a connection that comes while the listener closes is closed", async () => {
  const { listener, native } = await listening();
  const closing = listener.close();
  const late = new MemoryTransport();
  native.connect(late);
  native.held.open();
  await closing;
  await turns();
  expect(late.closed).toBe(1);
});

test("connections that nobody takes wait up to the backlog; more are closed", async () => {
  const { listener, native } = await listening(2);
  const transports = [1, 2, 3].map(() => new MemoryTransport());
  for (const transport of transports) native.connect(transport);
  await turns();
  expect(transports.map(({ closed }) => closed)).toEqual([0, 0, 1]);
  const iterator = listener[Symbol.asyncIterator]();
  await iterator.next();
  const next = new MemoryTransport();
  native.connect(next);
  await turns();
  expect(next.closed).toBe(0);
});

test("a connection that ended before it was taken is not handed out", async () => {
  const { listener, native } = await listening();
  const transports = [new MemoryTransport(), new MemoryTransport()] as const;
  for (const transport of transports) native.connect(transport);
  transports[0].handlers?.onEnd(undefined);
  await turns();
  const taken = (await listener[Symbol.asyncIterator]().next()).value;
  expect(taken.closed).toBe(false);
  native.held.open();
  await listener.close();
  expect(transports.map(({ closed }) => closed)).toEqual([1, 0]);
});

test("a transport that cannot be read is closed, and the call fails", async () => {
  class Broken extends MemoryTransport {
    override start(): void {
      throw new Error("out of descriptors");
    }
  }
  const made = new Broken();
  const backend = new MemoryInterface("multipeer");
  backend.openTransport = async () => made;
  const dco = await open(backend);
  const opening = dco.openTransport({ protocol: "udp", local: "0.0.0.0:0" });
  await expect(opening).rejects.toMatchObject({ code: "system", operation: "openTransport" });
  expect(made.closed).toBe(1);
  await dco.close();
});

test("so is a connection of a listener, which goes on", async () => {
  class Broken extends MemoryTransport {
    override start(): void {
      throw new Error("out of descriptors");
    }
  }
  const { listener, native } = await listening();
  const broken = new Broken();
  native.connect(broken);
  native.connect(new MemoryTransport());
  expect(await listener[Symbol.asyncIterator]().next()).toMatchObject({ done: false });
  expect(broken.closed).toBe(1);
});

test("a listener that cannot be started is closed, and the call fails", async () => {
  const backend = new Listening("multipeer");
  backend.listener.held.open();
  backend.listener.start = () => {
    throw new Error("out of descriptors");
  };
  const dco = await open(backend);
  const listening = dco.listen({ protocol: "tcp", local: "0.0.0.0:0" });
  await expect(listening).rejects.toMatchObject({ code: "system", operation: "listen" });
  expect(backend.listener.closed).toBe(1);
});

test("a transport whose drops cannot be counted any more is closed all the same", async () => {
  const { backend, transport } = await setUp();
  const [native] = backend.transports;
  if (native) {
    native.droppedKernel = () => {
      throw new Error("bad descriptor");
    };
  }
  await transport.close();
  expect(native?.closed).toBe(1);
  expect(transport.counters.droppedKernel).toBeUndefined();
});

test("closing the interface ends a connection under way", async () => {
  class Connecting extends MemoryInterface {
    given: AbortSignal | undefined;
    override async openTransport(
      _request?: OpenTransportRequest,
      signal?: AbortSignal,
    ): Promise<BackendTransport> {
      this.given = signal;
      await new Promise((resolve) => signal?.addEventListener("abort", resolve));
      throwIfAborted(signal);
      throw new Error("not reached");
    }
  }
  const backend = new Connecting("multipeer");
  const dco = await open(backend);
  const opening = dco.openTransport({ protocol: "tcp", remote: "192.0.2.9:1194" });
  await turns();
  await Promise.all([expect(opening).rejects.toMatchObject({ code: "closed" }), dco.close()]);
  expect(backend.given?.aborted).toBe(true);
});

test("no listener is left on a signal that outlives what it was given to", async () => {
  const { signal } = new AbortController();
  const { dco, backend, transport } = await setUp();
  const reading = (async () => {
    for await (const _ of dco.events({ signal }));
  })();
  const idle = dco.events({ signal });
  const packets = transport.packets({ signal }).next();
  await dco.openTransport({ protocol: "udp", local: "0.0.0.0:0", signal });
  await dco.addPeer(peer(1, transport), { signal });
  await expect(dco.linkUp({ signal: AbortSignal.timeout(1) })).rejects.toMatchObject({ code: "aborted" });
  backend.tell({ type: "rekey-advised", peer: 1 });
  await dco.close();
  await Promise.all([reading, packets]);
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  expect((await idle.next()).value).toMatchObject({ type: "rekey-advised" });
});
