/**
 * What cases say to the simulator of the driver beside the driver's own protocol: see test/windows/driver/control.h.
 */

import type { Endpoint } from "../../../src/core/model.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { packSockaddr } from "../../../src/ffi/sockaddr.ts";
import type { Device } from "../../../src/windows/device.ts";
import type { DriverVersion } from "../../../src/windows/messages.ts";
import { nativeOf } from "../../../src/windows/status.ts";
import { Win32Devices } from "../../../src/windows/win32/devices.ts";

const DEVICE = "\\\\.\\dcokit-simulator";

const code = (fn: number) => (0x22 << 16) | (fn << 2);
const STATE = code(0x900);
const CONFIGURE = code(0x901);
const EMIT_EVENT = code(0x902);
const FAIL_READ = code(0x903);
const RECEIVE = code(0x904);
const ENABLE = code(0x905);
const PEER = code(0x906);
const REQUESTS = code(0x907);

const STATE_FIELDS = [
  "adapters",
  "openHandles",
  "pendingReads",
  "pendingWrites",
  "pendingNotifications",
  "pendingConnects",
  "peers",
  "sockets",
  "threads",
  "queuedPackets",
  "queuedEvents",
  "routes",
  "mode",
  "connected",
  "enabled",
] as const;

/** What an adapter of the simulator has. */
export type SimulatorState = Readonly<Record<(typeof STATE_FIELDS)[number], number>> & {
  readonly instance: string;
};

/** A request as it came. */
export interface SimulatedRequest {
  /** The control code; 1 for a read, 2 for a write. */
  readonly code: number;
  readonly input: Buffer;
}

/** A peer as the simulator has it. */
export interface SimulatedPeer {
  readonly interval: number;
  readonly timeout: number;
  readonly mss: number;
}

const STATE_BYTES = 228;
const INSTANCE = 100;
const REQUEST_BYTES = 144;
const MOST_REQUESTS = 256;
const PEER_BYTES = 1024;

/** See the module's comment. */
export class Simulator {
  readonly #device: Device;

  private constructor(device: Device) {
    this.#device = device;
  }

  /** Undefined where the driver is the real one. */
  static open(): Simulator | undefined {
    try {
      return new Simulator(new Win32Devices(loadFfi()).open(DEVICE, "query"));
    } catch {
      return undefined;
    }
  }

  async state(adapter: number): Promise<SimulatorState> {
    const bytes = await this.#ask(STATE, number(adapter), STATE_BYTES);
    const fields = STATE_FIELDS.map((name, at) => [name, bytes.readInt32LE(4 * at)]);
    const instance = bytes.toString("utf16le", INSTANCE).split("\0")[0] as string;
    return { ...(Object.fromEntries(fields) as SimulatorState), instance };
  }

  /** All adapters. */
  async states(): Promise<SimulatorState[]> {
    const first = await this.state(0);
    const rest = Array.from({ length: first.adapters - 1 }, (_, n) => this.state(n + 1));
    return [first, ...(await Promise.all(rest))];
  }

  /** The number of the adapter with this instance. */
  async numberOf(instance: string): Promise<number> {
    const states = await this.states();
    const found = states.findIndex((state) => state.instance.toLowerCase() === instance.toLowerCase());
    if (found < 0) throw new Error(`the simulator has no adapter ${instance}`);
    return found;
  }

  /** Makes it another version of the driver. Nobody may have it open. */
  async setVersion(adapter: number, { major, minor, patch }: DriverVersion): Promise<void> {
    await this.#ask(CONFIGURE, Buffer.concat([major, minor, patch, 0].map(number), 16), 0, adapter);
  }

  /** The driver tells an event. */
  async emitEvent(
    adapter: number,
    command: number,
    peer: number,
    reason: number,
    address?: Endpoint,
  ): Promise<void> {
    const event = Buffer.alloc(4 + 144);
    event.writeInt32LE(command, 4);
    event.writeInt32LE(peer, 8);
    event.writeInt32LE(reason, 12);
    if (address) event.set(packSockaddr(address, "win32"), 20);
    await this.#ask(EMIT_EVENT, event, 0, adapter);
  }

  /** Ends one pended read with an NTSTATUS. */
  async failRead(adapter: number, status: number): Promise<void> {
    await this.#ask(FAIL_READ, number(status | 0), 0, adapter);
  }

  /** A packet comes, as if from the wire. */
  async receive(adapter: number, from: Endpoint, packet: Uint8Array): Promise<void> {
    const address = Buffer.alloc(28);
    address.set(packSockaddr(from, "win32"));
    await this.#ask(RECEIVE, Buffer.concat([address, packet]), 0, adapter);
  }

  /** Disables an adapter, or enables it. */
  async enable(adapter: number, enabled: boolean): Promise<void> {
    await this.#ask(ENABLE, number(enabled ? 1 : 0), 0, adapter);
  }

  async peer(adapter: number, id: number): Promise<SimulatedPeer> {
    const bytes = await this.#ask(PEER, number(id), PEER_BYTES, adapter);
    const [interval, timeout, mss] = [52, 56, 60].map((at) => bytes.readInt32LE(at)) as [
      number,
      number,
      number,
    ];
    return { interval, timeout, mss };
  }

  /** The requests since the last time. */
  async requests(adapter: number): Promise<SimulatedRequest[]> {
    const bytes = await this.#ask(REQUESTS, number(adapter), MOST_REQUESTS * REQUEST_BYTES);
    const found: SimulatedRequest[] = [];
    for (let at = 0; at < bytes.length; at += REQUEST_BYTES) {
      const length = bytes.readUInt32LE(at + 4);
      found.push({
        code: bytes.readUInt32LE(at),
        input: bytes.subarray(at + 16, at + 16 + Math.min(length, 128)),
      });
    }
    return found;
  }

  async close(): Promise<void> {
    await this.#device.close();
  }

  async #ask(control: number, input: Buffer, room: number, adapter?: number): Promise<Buffer> {
    const bytes = adapter === undefined ? input : Buffer.concat([number(adapter), input]);
    const { failure, bytes: answer } = await this.#device.ioctl(control, bytes, room).outcome;
    if (failure)
      throw new Error(`the simulator refuses 0x${control.toString(16)}: ${nativeOf(failure).name}`);
    return answer;
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value, 0);
  return bytes;
}
