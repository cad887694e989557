/** What cases begin with: an adapter of a certain version, opened, and the other end of its socket. */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, adapterPath, Device } from "./device.ts";
import { code, ipv4, keyDirection, pack, sizeOf } from "./layout.ts";
import { Simulator } from "./simulator.ts";

/** One of the driver with only the P2P mode, the one that was measured. */
export const OLD = "2.0.1";
/** The newest that the sheets describe. */
export const NEW = "2.8.6";

export const LOOPBACK = "127.0.0.1";

/** An adapter in use. */
export interface Scene {
  readonly device: Device;
  readonly simulator: Simulator;
  /** A control request by name. */
  ask(name: string, input?: Uint8Array, outLength?: number): Promise<Answer>;
  /** Its error code only. */
  error(name: string, input?: Uint8Array, outLength?: number): Promise<number>;
  /** Fails unless it succeeds. */
  must(name: string, input?: Uint8Array, outLength?: number): Promise<Buffer>;
}

/** Opens the adapter as a driver of that version, runs the body, and sees to it that nothing stays open. */
export async function withAdapter(
  version: string,
  body: (scene: Scene) => Promise<void>,
  { flags = 0, adapter = 0 }: { flags?: number; adapter?: number } = {},
): Promise<void> {
  const simulator = new Simulator(adapter);
  try {
    await quiet(simulator);
    await simulator.configure(version, flags);
    const device = Device.open(adapterPath(adapter));
    const ask = (name: string, input?: Uint8Array, outLength = 0) =>
      device.ioctl(code(name), input, outLength);
    try {
      await body({
        device,
        simulator,
        ask,
        error: async (name, input, outLength) => (await ask(name, input, outLength)).error,
        async must(name, input, outLength) {
          const { error, bytes } = await ask(name, input, outLength);
          if (error !== 0) throw new Error(`${name} is answered with error ${error}`);
          return bytes;
        },
      });
    } finally {
      device.close();
    }
    await quiet(simulator);
    // What comes next finds all adapters alike, as those of one driver are.
    await simulator.configure(NEW);
  } finally {
    simulator.close();
  }
}

/** Waits until nobody uses the adapter, and it holds nothing. */
export async function quiet(simulator: Simulator, milliseconds = 5000): Promise<void> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    const state = await simulator.state();
    const held = Object.entries(state).filter(
      ([name, value]) =>
        typeof value === "number" && value !== 0 && name !== "adapters" && name !== "enabled",
    );
    if (held.length === 0) return;
    if (performance.now() > deadline)
      throw new Error(`the driver holds ${held.map(([name, value]) => `${name} ${value}`).join(", ")}`);
    await sleep(20);
  }
}

/** A UDP socket of this process on loopback. */
export class Other {
  readonly socket: Socket;
  readonly #waiting: ((packet: { bytes: Buffer; from: RemoteInfo }) => void)[] = [];
  readonly #packets: { bytes: Buffer; from: RemoteInfo }[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("message", (bytes, from) => {
      const next = this.#waiting.shift();
      if (next) next({ bytes, from });
      else this.#packets.push({ bytes, from });
    });
  }

  static async open(): Promise<Other> {
    const socket = createSocket("udp4");
    socket.bind(0, LOOPBACK);
    await once(socket, "listening");
    return new Other(socket);
  }

  get port(): number {
    return this.socket.address().port;
  }

  next(): Promise<{ bytes: Buffer; from: RemoteInfo }> {
    const packet = this.#packets.shift();
    return packet ? Promise.resolve(packet) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  send(bytes: Uint8Array, port: number): void {
    this.socket.send(bytes, port, LOOPBACK);
  }

  close(): void {
    this.socket.close();
  }
}

/** NEW_PEER over UDP to a port of loopback. */
export function newPeer(port: number, fields: Readonly<Record<string, number | Uint8Array>> = {}): Buffer {
  return pack("NEW_PEER", { Local: ipv4(LOOPBACK, 0), Remote: ipv4(LOOPBACK, port), ...fields });
}

/** MP_NEW_PEER with addresses that go with the id. */
export function mpNewPeer(id: number, fields: Readonly<Record<string, number | Uint8Array>> = {}): Buffer {
  return pack("MP_NEW_PEER", {
    Local: ipv4("0.0.0.0", 0),
    Remote: ipv4(LOOPBACK, 40_000 + (id % 20_000)),
    VpnAddr4: Uint8Array.of(10, 8, (id >> 8) & 0xff, id & 0xff),
    PeerId: id,
    ...fields,
  });
}

/** NEW_KEY with AES-256-GCM in the primary slot. */
export function newKey(fields: Readonly<Record<string, number | Uint8Array>> = {}): Buffer {
  return pack("CRYPTO_DATA", {
    Encrypt: keyDirection(0xaa, 32),
    Decrypt: keyDirection(0xcc, 32),
    KeySlot: 0,
    CipherAlg: 1,
    KeyId: 3,
    PeerId: 5,
    ...fields,
  });
}

/** Goes into the multi-peer mode, and listens on loopback; returns the port. */
export async function startServer({ must }: Scene): Promise<number> {
  await must("SET_MODE", pack("SET_MODE", { Mode: 1 }));
  const given = pack("MP_START_VPN", { ListenAddress: ipv4(LOOPBACK, 0) });
  const answer = await must("MP_START_VPN", given, sizeOf("MP_START_VPN"));
  return answer.readUInt16BE(2);
}

/** OpenVPN's first byte of a control packet, with a peer's id. */
export const CONTROL_PACKET = Buffer.from("38aabbccdd11223344", "hex");
