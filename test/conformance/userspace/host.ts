/**
 * What stands for the operating system at a site: addresses, answers to pings, pings of its own, forwarding.
 */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { parseIp } from "../../../src/core/ip.ts";
import type { PingOptions, PingResult, RunningPing } from "../world.ts";
import { addressesOf, decodeEcho, type Echo, encodeEcho, oneHopLess } from "./icmp.ts";

/** How pings are sent. */
export interface Pace {
  /** Requests follow each other that many times faster than was asked. */
  readonly haste: number;
  /** What has not come by then, in seconds, does not come. */
  readonly longestWait: number;
}

/** All is in one process. */
const AT_ONCE: Pace = { haste: 10, longestWait: 0.15 };
/** When a ping is stopped, what is under way gets this long, in seconds. */
const STOP_WAIT = 5;
/** More than a request and its answer take, also by way of somebody who forwards them. */
const TURNS = 20;

interface Address {
  readonly text: string;
  readonly bytes: Buffer;
  readonly length: number;
}

interface Link {
  readonly packets: Duplex;
  addresses: readonly Address[];
}

/** See the module's comment. */
export class Host {
  readonly #links = new Map<string, Link>();
  readonly #pings = new Map<number, (echo: Echo) => void>();
  readonly #pace: Pace;
  #nextPing = 1;
  forwards = false;

  constructor(pace = AT_ONCE) {
    this.#pace = pace;
  }

  /** Takes the packets of an interface. */
  attach(name: string, packets: Duplex): void {
    this.#links.set(name, { packets, addresses: [] });
    packets.on("data", (packet: Buffer) => this.#take(packet));
  }

  setAddresses(name: string, addresses: readonly string[]): void {
    const link = this.#links.get(name);
    if (link === undefined) throw new Error(`there is no interface ${name}`);
    link.addresses = addresses.map((text) => {
      const [address = "", length] = text.split("/");
      return { text, bytes: Buffer.from(parseIp(address) as Uint8Array), length: Number(length) };
    });
  }

  addAddress(name: string, address: string): void {
    this.setAddresses(name, [...this.addressesOf(name), address]);
  }

  addressesOf(name: string): string[] {
    return (this.#links.get(name)?.addresses ?? []).map(({ text }) => text);
  }

  startPing(to: string, options: PingOptions = {}): RunningPing {
    const { count = Number.POSITIVE_INFINITY, size = 56, interval = 0.05, wait = 5 } = options;
    const pause = (interval * 1000) / this.#pace.haste;
    const ping = new Ping(count, pause, Math.min(wait, this.#pace.longestWait), (sequence) => {
      const destination = Buffer.from(parseIp(to) as Uint8Array);
      const link = this.#linkTo(destination);
      const source = link?.addresses.find(({ bytes }) => bytes.length === destination.length)?.bytes;
      if (link === undefined || source === undefined) throw new Error(`no way to ${to}`);
      const payload = randomBytes(size);
      const echo = { kind: "request", source, destination, id, sequence, payload } as const;
      link.packets.write(encodeEcho(echo));
      return payload;
    });
    const id = this.#nextPing++ & 0xffff;
    this.#pings.set(id, (echo) => ping.answer(echo));
    return {
      answered: () => ping.received,
      stop: () => ping.stop().finally(() => this.#pings.delete(id)),
    };
  }

  #take(packet: Buffer): void {
    const destination = addressesOf(packet)?.destination;
    if (destination === undefined) return;
    if (!this.#isMine(destination)) {
      const forwarded = this.forwards ? oneHopLess(packet) : undefined;
      if (forwarded) this.#linkTo(destination)?.packets.write(forwarded);
      return;
    }
    const echo = decodeEcho(packet);
    if (echo?.kind === "reply") this.#pings.get(echo.id)?.(echo);
    if (echo?.kind !== "request") return;
    const answer = { ...echo, kind: "reply", source: echo.destination, destination: echo.source } as const;
    this.#linkTo(echo.source)?.packets.write(encodeEcho(answer));
  }

  #isMine(address: Buffer): boolean {
    return [...this.#links.values()].some(({ addresses }) =>
      addresses.some(({ bytes }) => bytes.equals(address)),
    );
  }

  /** By the addresses' prefixes; what is in none is behind the first interface. */
  #linkTo(destination: Buffer): Link | undefined {
    const open = [...this.#links.values()].filter(({ packets }) => !packets.readableEnded);
    const near = open.find(({ addresses }) =>
      addresses.some(({ bytes, length }) => samePrefix(bytes, destination, length)),
    );
    return near ?? open[0];
  }
}

/** One series of requests. */
class Ping {
  readonly #count: number;
  readonly #interval: number;
  readonly #wait: number;
  readonly #send: (sequence: number) => Buffer;
  readonly #waiting = new Map<number, Buffer>();
  readonly #done: Promise<void>;
  #wake: () => void = () => {};
  #stopped = false;
  #sent = 0;
  received = 0;

  /** @param send sends a request; its payload */
  constructor(count: number, interval: number, wait: number, send: (sequence: number) => Buffer) {
    this.#count = count;
    this.#interval = interval;
    this.#wait = wait;
    this.#send = send;
    this.#done = this.#run();
    this.#done.catch(() => {});
  }

  /** An answer counts once, and only if it brings back what was sent. */
  answer({ sequence, payload }: Echo): void {
    if (!this.#waiting.get(sequence)?.equals(payload)) return;
    this.#waiting.delete(sequence);
    this.received++;
    if (this.#waiting.size === 0) this.#wake();
  }

  async stop(): Promise<PingResult> {
    if (this.#count === Number.POSITIVE_INFINITY) this.#stopped = true;
    await this.#done;
    return {
      sent: this.#sent,
      received: this.received,
      output: `${this.#sent} sent, ${this.received} answered`,
    };
  }

  async #run(): Promise<void> {
    // The one who starts it has it before the first answer comes.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#sent < this.#count && !this.#stopped) {
      const sequence = this.#sent++ & 0xffff;
      this.#waiting.set(sequence, this.#send(sequence));
      if (this.#sent < this.#count) await pause(this.#interval);
    }
    await this.#answered(this.#stopped ? STOP_WAIT : this.#wait);
  }

  /** Waits until all are answered, or long enough. */
  async #answered(seconds: number): Promise<void> {
    if (this.#waiting.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, seconds * 1000);
    });
    clearTimeout(timer);
    // On a busy machine the time may be over before anybody had a turn: what lies in sockets gets there in a few more.
    for (let turn = 0; turn < TURNS && this.#waiting.size > 0; turn++)
      await new Promise((resolve) => setImmediate(resolve));
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function samePrefix(one: Buffer, other: Buffer, length: number): boolean {
  if (one.length !== other.length) return false;
  for (let bit = 0; bit < length; bit++) {
    const mask = 0x80 >> (bit & 7);
    if ((((one[bit >> 3] as number) ^ (other[bit >> 3] as number)) & mask) !== 0) return false;
  }
  return true;
}
