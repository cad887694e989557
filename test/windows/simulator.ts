/** What tests say to the simulator driver on its own device: driver/control.h in TypeScript. */
import { Device } from "./device.ts";

const ioctl = (fn: number) => 0x220000 | (fn << 2);
const STATE = ioctl(0x900);
const CONFIGURE = ioctl(0x901);
const EMIT_EVENT = ioctl(0x902);
const FAIL_READ = ioctl(0x903);
const RECEIVE = ioctl(0x904);
const ENABLE = ioctl(0x905);
const PEER = ioctl(0x906);
const REQUESTS = ioctl(0x907);
const HOLD_CLOSE = ioctl(0x908);
const SLEEP = ioctl(0x909);
const RELEASE = ioctl(0x90a);

/** Bits of {@link Simulator.configure}. */
export const NO_CHACHA20 = 1;
export const ANSWER_AT_ONCE = 2;
export const LOSE_WAKE_UPS = 4;
export const KEEP_CANCELLED = 8;

/** Codes of reads and writes in {@link Recorded}. */
export const READ_CODE = 1;
export const WRITE_CODE = 2;

const STATE_FIELDS = [
  "adapters",
  "openHandles",
  "pendingReads",
  "pendingAnswers",
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
  "kept",
] as const;
const VERSION_OFFSET = STATE_FIELDS.length * 4;
const LOCAL_OFFSET = VERSION_OFFSET + 12;
const INSTANCE_OFFSET = LOCAL_OFFSET + 28;
const STATE_SIZE = INSTANCE_OFFSET + 128;
const KEY_DIRECTION_SIZE = 41;
const KEY_SIZE = 100;
const PEER_SIZE = 64 + 2 * KEY_SIZE;
const RECORD_SIZE = 16 + 128;
const MOST_RECORDS = 64;

export type State = Readonly<Record<(typeof STATE_FIELDS)[number], number>> & {
  readonly version: readonly [number, number, number];
  /** Where its socket is bound: 28 bytes. */
  readonly local: Buffer;
  readonly instance: string;
};

/** A key as the driver holds it. */
export interface HeldKey {
  readonly cipher: number;
  readonly keyId: number;
  readonly options: number;
  readonly encrypt: Buffer;
  readonly decrypt: Buffer;
}

/** A peer as the driver holds it. */
export interface HeldPeer {
  readonly id: number;
  readonly remote: Buffer;
  readonly vpn4: Buffer;
  readonly vpn6: Buffer;
  readonly interval: number;
  readonly timeout: number;
  readonly mss: number;
  readonly keys: readonly [HeldKey | undefined, HeldKey | undefined];
}

/** A request as it came to the driver. */
export interface Recorded {
  readonly code: number;
  readonly inLength: number;
  readonly outLength: number;
  readonly status: number;
  /** Its first 128 bytes. */
  readonly bytes: Buffer;
}

function int32s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeInt32LE(value | 0, index * 4);
  return bytes;
}

function heldKey(bytes: Buffer): HeldKey | undefined {
  if (bytes.readInt32LE(0) === 0) return undefined;
  return {
    cipher: bytes.readInt32LE(4),
    keyId: bytes.readInt32LE(8),
    options: bytes.readUInt32LE(12),
    encrypt: bytes.subarray(16, 16 + KEY_DIRECTION_SIZE),
    decrypt: bytes.subarray(16 + KEY_DIRECTION_SIZE, 16 + 2 * KEY_DIRECTION_SIZE),
  };
}

/** The simulator's side of one adapter. */
export class Simulator {
  readonly #adapter: number;
  readonly #device: Device;

  /** @param adapter its number, from 0 */
  constructor(adapter: number) {
    this.#adapter = adapter;
    this.#device = Device.open("\\\\.\\dcokit-simulator");
  }

  async #ask(code: number, input: Buffer, outLength = 0): Promise<Buffer> {
    const { error, bytes } = await this.#device.ioctl(code, input, outLength);
    if (error !== 0) throw new Error(`the simulator answers with error ${error} to 0x${code.toString(16)}`);
    return bytes;
  }

  async state(): Promise<State> {
    const bytes = await this.#ask(STATE, int32s(this.#adapter), STATE_SIZE);
    const fields = Object.fromEntries(
      STATE_FIELDS.map((name, index) => [name, bytes.readInt32LE(index * 4)]),
    );
    return {
      ...(fields as Record<(typeof STATE_FIELDS)[number], number>),
      version: [0, 4, 8].map((at) => bytes.readInt32LE(VERSION_OFFSET + at)) as [number, number, number],
      local: bytes.subarray(LOCAL_OFFSET, INSTANCE_OFFSET),
      instance: bytes.toString("utf16le", INSTANCE_OFFSET).replace(/\0.*$/s, ""),
    };
  }

  /** The version, such as `2.8.6`, and flags; only while no handle is open. */
  async configure(version: string, flags = 0): Promise<void> {
    await this.#ask(CONFIGURE, int32s(this.#adapter, ...version.split(".").map(Number), flags));
  }

  /** @param event an OVPN_NOTIFY_EVENT */
  async emit(event: Uint8Array): Promise<void> {
    await this.#ask(EMIT_EVENT, Buffer.concat([int32s(this.#adapter, 0), event]));
  }

  /** One pended read ends with this NTSTATUS. */
  async failRead(status: number): Promise<void> {
    await this.#ask(FAIL_READ, int32s(this.#adapter, status));
  }

  /** A packet as if from the wire. */
  async receive(from: Uint8Array, packet: Uint8Array): Promise<void> {
    const address = Buffer.alloc(28);
    address.set(from);
    await this.#ask(RECEIVE, Buffer.concat([int32s(this.#adapter), address, packet]));
  }

  async enable(enabled: boolean): Promise<void> {
    await this.#ask(ENABLE, int32s(this.#adapter, enabled ? 1 : 0));
  }

  /** @param id does not matter in P2P mode */
  async peer(id = 0): Promise<HeldPeer> {
    const bytes = await this.#ask(PEER, int32s(this.#adapter, id), PEER_SIZE);
    return {
      id: bytes.readInt32LE(0),
      remote: bytes.subarray(4, 32),
      vpn4: bytes.subarray(32, 36),
      vpn6: bytes.subarray(36, 52),
      interval: bytes.readInt32LE(52),
      timeout: bytes.readInt32LE(56),
      mss: bytes.readInt32LE(60),
      keys: [heldKey(bytes.subarray(64)), heldKey(bytes.subarray(64 + KEY_SIZE))],
    };
  }

  /** The last requests on the adapter, which are forgotten. */
  async requests(): Promise<Recorded[]> {
    const bytes = await this.#ask(REQUESTS, int32s(this.#adapter), MOST_RECORDS * RECORD_SIZE);
    return Array.from({ length: bytes.length / RECORD_SIZE }, (_, index) => {
      const record = bytes.subarray(index * RECORD_SIZE, (index + 1) * RECORD_SIZE);
      const inLength = record.readUInt32LE(4);
      return {
        code: record.readUInt32LE(0),
        inLength,
        outLength: record.readUInt32LE(8),
        status: record.readUInt32LE(12),
        bytes: record.subarray(16, 16 + Math.min(inLength, 128)),
      };
    });
  }

  /** IRP_MJ_CLOSE of the next handle takes so long. */
  async holdClose(milliseconds: number): Promise<void> {
    await this.#ask(HOLD_CLOSE, int32s(this.#adapter, milliseconds));
  }

  /** As if the system had slept: nothing was received or sent for so long. */
  async sleep(seconds: number): Promise<void> {
    await this.#ask(SLEEP, int32s(this.#adapter, seconds));
  }

  /** Ends the requests that were cancelled and that KEEP_CANCELLED has kept. */
  async release(): Promise<void> {
    await this.#ask(RELEASE, int32s(this.#adapter));
  }

  close(): void {
    this.#device.close();
  }
}
