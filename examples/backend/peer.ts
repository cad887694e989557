/**
 * A peer of the example backend: keys, counters, keepalive.
 */
import type { AddPeerRequest, BackendPeer, BackendStats, KeyRequest } from "../../src/backend/index.ts";
import { formatIp } from "../../src/backend/index.ts";
import type { Endpoint, Keepalive, KeyInfo, KeySlot } from "../../src/index.ts";
import { type Key, keyIdOf } from "./key.ts";
import type { UdpTransport } from "./transport.ts";

/** OpenVPN's ping. */
export const PING = Buffer.from("2a187bf3641eb4cb07ed2d0a981fc748", "hex");
const SLOTS: readonly KeySlot[] = ["primary", "secondary"];

export class Peer {
  readonly id: number;
  readonly transport: UdpTransport;
  readonly remote: Endpoint;
  /** Inner addresses that are its own. */
  readonly addresses: readonly Uint8Array[];
  readonly slots: Record<KeySlot, Key | undefined> = { primary: undefined, secondary: undefined };
  readonly link = { rxBytes: 0n, txBytes: 0n, rxPackets: 0n, txPackets: 0n };
  readonly tunnel = { rxBytes: 0n, txBytes: 0n, rxPackets: 0n, txPackets: 0n };
  readonly #request: AddPeerRequest;
  readonly #onExpired: () => void;
  #keepalive: Keepalive | "off" = "off";
  #heard = 0;
  #timers: NodeJS.Timeout[] = [];

  constructor(request: AddPeerRequest, transport: UdpTransport, onExpired: () => void) {
    // Core has seen to it that a UDP peer has a remote address.
    const { text: address, port } = request.remote as NonNullable<AddPeerRequest["remote"]>;
    this.id = request.id;
    this.transport = transport;
    this.remote = { address, port };
    this.addresses = [request.vpn4, request.vpn6].filter((each) => each !== undefined);
    this.#request = request;
    this.#onExpired = onExpired;
  }

  /** Both times start anew. */
  set keepalive(keepalive: Keepalive | "off") {
    this.#keepalive = keepalive;
    this.#heard = performance.now();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
    if (keepalive === "off") return;
    const { interval, timeout } = keepalive;
    this.#timers = [
      setInterval(() => this.send(PING), 1000 * interval),
      setTimeout(() => this.#onExpired(), 1000 * timeout),
    ];
    // What keeps the process alive is an open transport.
    for (const timer of this.#timers) timer.unref();
  }

  /** Its time is over, though the timer, which waits for its turn, has not rung. */
  get isOverdue(): boolean {
    return this.#keepalive !== "off" && performance.now() >= this.#heard + 1000 * this.#keepalive.timeout;
  }

  /** Encrypts and sends; what cannot be sent is dropped. */
  send(payload: Uint8Array): void {
    const packet = this.slots.primary?.seal(payload, this.id);
    if (packet === undefined) return;
    this.transport.sendData(packet, this.remote);
    this.link.txBytes += BigInt(packet.length);
    this.link.txPackets++;
  }

  /** What is in a packet of this peer's; undefined if it is not to be trusted. */
  open(packet: Buffer): Buffer | undefined {
    this.link.rxBytes += BigInt(packet.length);
    this.link.rxPackets++;
    const key = SLOTS.map((slot) => this.slots[slot]).find((each) => each?.id === keyIdOf(packet));
    const payload = key?.open(packet);
    // Only what is authentic says that the peer lives.
    if (payload) {
      this.#heard = performance.now();
      this.#timers[1]?.refresh();
    }
    return payload;
  }

  setKey(slot: KeySlot, key: Key | undefined): void {
    this.slots[slot]?.destroy();
    this.slots[slot] = key;
  }

  end(): void {
    this.keepalive = "off";
    for (const slot of SLOTS) this.setKey(slot, undefined);
  }

  get keys(): KeyInfo[] {
    return SLOTS.flatMap((slot) => {
      const key = this.slots[slot];
      return key ? [{ slot, id: key.id, cipher: key.cipher as KeyRequest["cipher"] }] : [];
    });
  }

  get info(): BackendPeer {
    const { vpn4, vpn6 } = this.#request;
    return {
      id: this.id,
      remote: this.remote,
      local: this.transport.local,
      vpn4: vpn4 && formatIp(vpn4),
      vpn6: vpn6 && formatIp(vpn6),
      keepalive: this.#keepalive,
      txId: this.id,
    };
  }

  get stats(): BackendStats {
    return { id: this.id, link: { ...this.link }, tunnel: { ...this.tunnel } };
  }
}
