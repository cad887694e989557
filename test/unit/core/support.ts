/**
 * Set-up that the tests of the engine share.
 */
import { randomBytes } from "node:crypto";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import type { DcoInterface, Transport } from "../../../src/core/contract.ts";
import { CoreDriver } from "../../../src/core/driver.ts";
import type { DcoEvent, InterfaceMode, KeyOptions } from "../../../src/core/model.ts";
import { MemoryInterface, memoryDriver } from "../support/memory-backend.ts";

export interface Setup {
  readonly dco: DcoInterface;
  readonly backend: MemoryInterface;
  readonly transport: Transport;
  readonly events: DcoEvent[];
}

/** An interface in memory with a transport; its events are collected. */
export async function setUp(
  mode: InterfaceMode = "multipeer",
  capabilities: Partial<Capabilities> = {},
): Promise<Setup> {
  const backend = new MemoryInterface(mode);
  const dco = await new CoreDriver(memoryDriver(backend, capabilities)).createInterface({ mode });
  const events: DcoEvent[] = [];
  const reader = dco.events();
  void (async () => {
    for await (const event of reader) events.push(event);
  })();
  const transport = await dco.openTransport({
    protocol: "udp",
    local: "0.0.0.0:0",
    remote: "192.0.2.2:1194",
  });
  return { dco, backend, transport, events };
}

/** A multipeer peer. */
export function peer(id: number, transport: Transport) {
  return { id, transport, vpn: { ipv4: `10.8.${id >> 8}.${id & 255}` } };
}

/** A fresh key. */
export function freshKey(slot: "primary" | "secondary" = "primary", id = 0): KeyOptions {
  const direction = () => ({ key: randomBytes(32), nonceTail: randomBytes(8) });
  return { slot, id, cipher: "aes-256-gcm", encrypt: direction(), decrypt: direction() };
}

/** Lets everything that waits for a turn of the loop have it. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A promise that a test settles. */
export function gate(): { promise: Promise<void>; open(): void } {
  let open!: () => void;
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}
