/**
 * A host inside the tunnel, for an interface that is a stream of packets: it has the VPN addresses, answers pings and
 * sends some, transfers bytes, and passes on what is meant for others.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { type Content, decodePacket, encodePacket, type Packet } from "./packets.ts";
import type { PingCount } from "./ping.ts";
import type { Site } from "./stage.ts";

/** How long a reply may take. */
const PATIENCE_MS = 2000;

/** Bytes of a bulk transfer in one packet, behind a tag that tells what the packet is. */
const CHUNK_BYTES = 1300;
const DATA = 1;
const LAST = 2;
const ACK = 3;
/** So many packets of a transfer are under way at most, and so many are acknowledged at once. */
const WINDOW = 32;
const ACK_EVERY = 8;

/** Packets and bytes that went into and came out of the interface. */
export interface Carried {
  packets: number;
  bytes: number;
}

/** One direction of a bulk transfer, at its receiver. */
interface Incoming {
  readonly hash: ReturnType<typeof createHash>;
  packets: number;
}

export class InnerHost {
  readonly site: Site;
  /** Put into the tunnel, and got out of it. */
  readonly sent: Carried = { packets: 0, bytes: 0 };
  readonly received: Carried = { packets: 0, bytes: 0 };
  readonly #stream: Duplex;
  readonly #forwards: boolean;
  /** Echo requests that wait for their replies. */
  readonly #waiting = new Map<string, () => void>();
  /** What comes in, and what was acknowledged, by the other side's address. */
  readonly #incoming = new Map<string, Incoming>();
  readonly #acknowledged = new Map<string, number>();
  #pings = 0;

  /** @param forwards whether it passes on what is meant for others */
  constructor(site: Site, stream: Duplex, forwards: boolean) {
    this.site = site;
    this.#stream = stream;
    this.#forwards = forwards;
    stream.on("data", (packet: Uint8Array) => this.#take(packet));
  }

  /** Sends echo requests one after another, and counts the replies. */
  async ping(to: string, count: number, signal: AbortSignal): Promise<PingCount> {
    let received = 0;
    for (let n = 0; n < count; n++) if (await this.#pingOnce(to, signal)) received++;
    return { sent: count, received };
  }

  /** Sends random bytes; returns their SHA-256 digest in hex, once the other side has acknowledged all of them. */
  async transfer(to: string, bytes: number, signal: AbortSignal): Promise<string> {
    const hash = createHash("sha256");
    const packets = Math.ceil(bytes / CHUNK_BYTES);
    this.#acknowledged.set(to, 0);
    let last = performance.now();
    for (let sent = 0, seen = 0; seen < packets; ) {
      const acknowledged = this.#acknowledged.get(to) ?? 0;
      if (acknowledged > seen) last = performance.now();
      seen = acknowledged;
      for (; sent < packets && sent - acknowledged < WINDOW; sent++) {
        const size = Math.min(CHUNK_BYTES, bytes - sent * CHUNK_BYTES);
        const data = randomBytes(1 + size);
        hash.update(data.subarray(1));
        data[0] = sent + 1 === packets ? LAST : DATA;
        this.#send(to, { kind: "datagram", data });
      }
      if (performance.now() - last > PATIENCE_MS) {
        throw new Error(`${this.site.name} to ${to}: a packet of the transfer was lost`);
      }
      await delay(0, undefined, { signal });
    }
    return hash.digest("hex");
  }

  /** The digest of what came from this address, with {@link transfer}; it starts anew. */
  digestFrom(address: string): string {
    const hash = this.#incoming.get(address)?.hash ?? createHash("sha256");
    this.#incoming.delete(address);
    return hash.digest("hex");
  }

  async #pingOnce(to: string, signal: AbortSignal): Promise<boolean> {
    const sequence = ++this.#pings & 0xffff;
    const key = `${to} ${sequence}`;
    const replied = new Promise<boolean>((resolve) => this.#waiting.set(key, () => resolve(true)));
    this.#send(to, { kind: "echo-request", id: 1, sequence, data: randomBytes(56) });
    const late = new AbortController();
    const tooLate = delay(PATIENCE_MS, false, { signal: AbortSignal.any([signal, late.signal]) });
    try {
      return await Promise.race([replied, tooLate]);
    } finally {
      this.#waiting.delete(key);
      late.abort();
      await tooLate.catch(() => {});
    }
  }

  #send(destination: string, content: Content): void {
    const { ipv4, ipv6 } = this.site.vpn;
    this.#write(encodePacket({ source: destination.includes(":") ? ipv6 : ipv4, destination, content }));
  }

  #write(packet: Uint8Array): void {
    this.sent.packets++;
    this.sent.bytes += packet.length;
    this.#stream.write(packet);
  }

  #take(bytes: Uint8Array): void {
    this.received.packets++;
    this.received.bytes += bytes.length;
    const packet = decodePacket(bytes);
    if (packet === undefined) return;
    const { destination } = packet;
    if (destination === this.site.vpn.ipv4 || destination === this.site.vpn.ipv6) this.#answer(packet);
    else if (this.#forwards) this.#write(bytes);
  }

  #answer({ source, content }: Packet): void {
    if (content.kind === "echo-request") this.#send(source, { ...content, kind: "echo-reply" });
    else if (content.kind === "echo-reply") this.#waiting.get(`${source} ${content.sequence}`)?.();
    else this.#onDatagram(source, Buffer.from(content.data));
  }

  #onDatagram(source: string, data: Buffer): void {
    if (data[0] === ACK) {
      this.#acknowledged.set(source, data.readUInt32BE(1));
      return;
    }
    let incoming = this.#incoming.get(source);
    if (incoming === undefined) {
      incoming = { hash: createHash("sha256"), packets: 0 };
      this.#incoming.set(source, incoming);
    }
    incoming.hash.update(data.subarray(1));
    incoming.packets++;
    if (incoming.packets % ACK_EVERY === 0 || data[0] === LAST) {
      const ack = Buffer.from([ACK, 0, 0, 0, 0]);
      ack.writeUInt32BE(incoming.packets, 1);
      this.#send(source, { kind: "datagram", data: ack });
    }
  }
}

/** A ping that goes on until it is stopped. */
export class InnerPing {
  readonly #end: Promise<void>;
  #stopped = false;
  #sent = 0;
  #received = 0;

  constructor(from: InnerHost, to: string, milliseconds: number, signal: AbortSignal) {
    this.#end = this.#run(from, to, milliseconds, signal);
  }

  async #run(from: InnerHost, to: string, milliseconds: number, signal: AbortSignal): Promise<void> {
    while (!this.#stopped) {
      const { sent, received } = await from.ping(to, 1, signal);
      this.#sent += sent;
      this.#received += received;
      await delay(milliseconds, undefined, { signal });
    }
  }

  /** Ends it. */
  async stop(): Promise<PingCount> {
    this.#stopped = true;
    await this.#end;
    return { sent: this.#sent, received: this.#received };
  }
}
