/**
 * Two data planes that hand each other packets, and time that the test makes.
 */
import type {
  AddPeerRequest,
  BackendEvent,
  IpEndpoint,
  KeyRequest,
  PeerFields,
} from "../../../src/core/backend.ts";
import { parseIp } from "../../../src/core/ip.ts";
import { CIPHER_KEY_BYTES, type CipherName, type InterfaceMode } from "../../../src/core/model.ts";
import { parseEndpoint } from "../../../src/core/validate.ts";
import type { Clock } from "../../../src/userspace/clock.ts";
import { DataPlane } from "../../../src/userspace/data/data-plane.ts";
import type { DataSocket, Destination } from "../../../src/userspace/data/data-socket.ts";
import type { Peer } from "../../../src/userspace/data/peer.ts";

/** A clock that stands until it is moved. */
export class TestClock implements Clock {
  #now = 1000;
  #timers: { at: number; task: () => void }[] = [];
  /** Called while somebody waits for packets that have arrived. */
  whenCaughtUp: () => void = () => {};

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, task: () => void): () => void {
    const timer = { at: this.#now + milliseconds, task };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  async caughtUp(): Promise<void> {
    this.whenCaughtUp();
  }

  /** Moves on, and lets timers ring in their order; each has its consequences before the next. */
  async advance(seconds: number): Promise<void> {
    const end = this.#now + 1000 * seconds;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#now = Math.max(this.#now, next.at);
      next.task();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#now = end;
  }

  /** Moves on without letting anything ring: the process was busy. */
  block(seconds: number): void {
    this.#now += 1000 * seconds;
  }

  get waiting(): number {
    return this.#timers.length;
  }
}

export class TestSocket implements DataSocket {
  readonly local = { address: "192.0.2.1", port: 1194 };
  readonly room = 0;
  readonly connected: boolean = false;
  readonly peers = new Set<Peer>();
  readonly sent: { packet: Buffer; to: Destination | undefined }[] = [];
  full = false;

  sendData(packet: Buffer, to: Destination | undefined): boolean {
    if (this.full) return false;
    this.sent.push({ packet, to });
    return true;
  }

  destination({ text: address, port }: IpEndpoint): Destination {
    return { endpoint: { address, port }, address, port };
  }

  sender(address: string, port: number): Destination {
    return { endpoint: { address, port }, address, port };
  }
}

/** A data plane with one socket, and what it gave. */
export class TestPlane {
  readonly delivered: Buffer[] = [];
  readonly events: BackendEvent[] = [];
  readonly socket = new TestSocket();
  readonly plane: DataPlane;
  takes = true;

  constructor(mode: InterfaceMode, clock: Clock = new TestClock(), firstPacketId = 1) {
    this.plane = new DataPlane({
      mode,
      clock,
      firstPacketId,
      deliver: (packet) => {
        if (this.takes) this.delivered.push(packet);
        return this.takes;
      },
      tell: (event) => this.events.push(event),
    });
  }

  add(id: number, more: Partial<AddPeerRequest> & { remote?: IpEndpoint | undefined } = {}): void {
    const remote = at("192.0.2.2:5000");
    const none = { local: undefined, vpn4: undefined, vpn6: undefined, routes: undefined };
    this.plane.addPeer(
      { id, replace: false, ...none, remote, keepalive: undefined, txId: undefined, ...more },
      this.socket,
    );
  }

  set(id: number, change: Partial<PeerFields>): void {
    const none = { local: undefined, vpn4: undefined, vpn6: undefined, routes: undefined };
    this.plane.setPeer(id, { ...none, remote: undefined, keepalive: undefined, txId: undefined, ...change });
  }

  /** The packets that were sent since the last time. */
  take(): Buffer[] {
    return this.socket.sent.splice(0).map(({ packet }) => packet);
  }

  receive(packet: Uint8Array, address = "192.0.2.2", port = 5000): void {
    this.plane.receive(Buffer.from(packet), this.socket, address, port);
  }

  counters(id: number) {
    return this.plane.find(id).stats;
  }
}

export function at(text: string): IpEndpoint {
  return parseEndpoint(text, "test", { port: "nonzero" });
}

export function ip(text: string): Uint8Array {
  return parseIp(text) as Uint8Array;
}

/** Both ends' requests for a key made of counting bytes. */
export function keyPair(
  seed = 1,
  { cipher = "aes-256-gcm", id = 0, slot = "primary" }: Partial<KeyRequest> = {},
): [KeyRequest, KeyRequest] {
  const bytes = (from: number, length: number) =>
    Uint8Array.from({ length }, (_, at) => (from + at * 7 + seed) & 0xff);
  const [a, b] = [bytes(1, CIPHER_KEY_BYTES[cipher]), bytes(101, CIPHER_KEY_BYTES[cipher])];
  const [s, t] = [bytes(33, 8), bytes(77, 8)];
  const one: KeyRequest = {
    slot,
    id,
    cipher,
    encryptKey: a,
    encryptNonceTail: s,
    decryptKey: b,
    decryptNonceTail: t,
  };
  return [one, { ...one, encryptKey: b, encryptNonceTail: t, decryptKey: a, decryptNonceTail: s }];
}

/** An IP packet of this size; only its addresses mean something. */
export function inner(from: string, to: string, size = 100): Buffer {
  const [source, destination] = [ip(from), ip(to)];
  const packet = Buffer.alloc(size, 0xa5);
  const six = source.length === 16;
  packet[0] = six ? 0x60 : 0x45;
  packet.set(source, six ? 8 : 12);
  packet.set(destination, six ? 24 : 16);
  return packet;
}

/** A p2p client and a multipeer server with one key. */
export function tunnel(options: { cipher?: CipherName; firstPacketId?: number; clock?: Clock } = {}) {
  const { cipher = "aes-256-gcm", firstPacketId, clock = new TestClock() } = options;
  const server = new TestPlane("multipeer", clock);
  const client = new TestPlane("p2p", clock, firstPacketId);
  server.add(1, { vpn4: ip("10.8.0.2"), vpn6: ip("fd00:8::2") });
  client.add(1, { remote: at("192.0.2.1:1194") });
  const [forServer, forClient] = keyPair(1, { cipher });
  server.plane.installKey(1, forServer);
  client.plane.installKey(1, forClient);
  return { server, client, clock };
}
