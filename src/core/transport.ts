/**
 * The transport of the contract, over a backend's: packet queue, one reader, data packets kept out.
 */
import type { BackendInterface, BackendTransport } from "./backend.ts";
import type { Transport } from "./contract.ts";
import { DcoError, describeError } from "./errors.ts";
import { Lifetime, throwIfAborted } from "./lifetime.ts";
import type {
  ControlPacket,
  Endpoint,
  PeerDeletedReason,
  SendOptions,
  TransportCounters,
  TransportProtocol,
} from "./model.ts";
import type { PeerRecord } from "./peer-table.ts";
import { type ValidatedSend, validateCallOptions } from "./validate.ts";

/** Opcodes of data packets, the upper five bits of the first byte. Kernels differ in which they hand up. */
const DATA_V1 = 6;
const DATA_V2 = 9;

/** Why a transport ends, as its peers are told. */
export type TransportEndReason = Extract<PeerDeletedReason, `transport-${string}`>;

/** What the transport needs of its interface. */
export interface TransportOwner {
  readonly dco: BackendInterface;
  validateSend(packet: unknown, options: unknown, transport: CoreTransport): ValidatedSend;
  /** The peer's current address; throws `not-found`. */
  peerRemote(id: number, transport: CoreTransport): ValidatedSend["to"];
  /** Why the transport cannot be closed alone, if so. */
  closeRefusal(): DcoError | undefined;
  /** Ends the transport's peers for this reason, closes it, and forgets it. */
  closeTransport(transport: CoreTransport, reason: TransportEndReason): Promise<void>;
}

/** Packets on their way to the one reader. */
class PacketQueue {
  readonly #limit: number;
  #packets: ControlPacket[] = [];
  /** Reads that wait; several may, of one iterator. */
  #wakes: (() => void)[] = [];
  #ended = false;
  #error: DcoError | undefined;
  reading = false;
  dropped = 0n;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(packet: ControlPacket): void {
    if (this.#ended) return;
    if (this.#packets.length >= this.#limit) {
      this.#packets.shift();
      this.dropped++;
    }
    this.#packets.push(packet);
    this.wake();
  }

  end(error?: DcoError): void {
    this.#ended = true;
    this.#error ??= error;
    this.wake();
  }

  /** Every read looks again, in the order in which they came. */
  wake(): void {
    for (const wake of this.#wakes.splice(0)) wake();
  }

  async next(left: () => boolean): Promise<ControlPacket | undefined> {
    for (;;) {
      if (left()) return undefined;
      const packet = this.#packets.shift();
      if (packet) return packet;
      if (this.#error) {
        const error = this.#error;
        this.#error = undefined;
        throw error;
      }
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wakes.push(resolve);
      });
    }
  }
}

/** See {@link Transport}. */
export class CoreTransport implements Transport {
  readonly backend: BackendTransport;
  /** The interface that it belongs to. */
  readonly dco: BackendInterface;
  /** Peers that use this transport. */
  readonly peers = new Set<PeerRecord>();
  /** It is closing, or closed: no peer may be added. */
  ending = false;
  readonly #owner: TransportOwner;
  readonly #queue: PacketQueue;
  readonly #lifetime: Lifetime;
  #closing: Promise<void> | undefined;
  #received = 0n;
  #sent = 0n;
  #droppedData = 0n;
  #droppedKernel: bigint | undefined;

  constructor(owner: TransportOwner, backend: BackendTransport, queueLimit: number) {
    this.#owner = owner;
    this.dco = owner.dco;
    this.backend = backend;
    this.#queue = new PacketQueue(queueLimit);
    this.#lifetime = new Lifetime("the transport");
    backend.start({
      onPacket: (data, from) => this.#onPacket(data, from),
      onEnd: (error) => this.#onEnd(error),
    });
  }

  get protocol(): TransportProtocol {
    return this.backend.protocol;
  }

  get local(): Endpoint | undefined {
    return this.backend.local;
  }

  get remote(): Endpoint | undefined {
    return this.backend.remote;
  }

  get closed(): boolean {
    return this.#lifetime.closed;
  }

  get counters(): TransportCounters {
    this.#countDropped();
    return {
      received: this.#received,
      sent: this.#sent,
      droppedQueueFull: this.#queue.dropped,
      droppedData: this.#droppedData,
      droppedKernel: this.#droppedKernel,
    };
  }

  packets(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<ControlPacket> {
    const queue = this.#queue;
    let signal: AbortSignal | undefined;
    try {
      signal = validateCallOptions(options);
      if (queue.reading) throw new DcoError("busy", "another reader iterates this transport's packets");
    } catch (error) {
      throw describeError(error, "packets");
    }
    queue.reading = true;
    let left = false;
    const leave = () => {
      if (left) return;
      left = true;
      queue.reading = false;
      signal?.removeEventListener("abort", leave);
      queue.wake();
    };
    signal?.addEventListener("abort", leave, { once: true });
    if (signal?.aborted) leave();
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      async next() {
        try {
          const packet = await queue.next(() => left);
          if (packet) return { done: false, value: packet };
          leave();
          return { done: true, value: undefined };
        } catch (error) {
          leave();
          throw error;
        }
      },
      async return() {
        leave();
        return { done: true, value: undefined };
      },
    };
  }

  async send(packet: Uint8Array, options: SendOptions = {}): Promise<void> {
    try {
      const send = this.#owner.validateSend(packet, options, this);
      this.#lifetime.check();
      throwIfAborted(options.signal);
      const to = send.peer === undefined ? send.to : this.#owner.peerRemote(send.peer, this);
      await this.#lifetime.guard(this.backend.send(send.packet, to), options.signal);
      this.#sent++;
    } catch (error) {
      throw describeError(error, "send");
    }
  }

  async close(): Promise<void> {
    const refusal = this.#closing ? undefined : this.#owner.closeRefusal();
    if (refusal) throw refusal;
    return this.end();
  }

  /** Closes it where the caller could not: it has ended, its interface closes, or nobody got it. */
  end(reason: TransportEndReason = "transport-closed"): Promise<void> {
    this.#closing ??= this.#owner.closeTransport(this, reason);
    return this.#closing;
  }

  /** Where a transport closes only with its interface, that is left to the interface. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing || !this.#owner.closeRefusal()) await this.end();
  }

  /** Ends readers and calls in flight; the owner has removed the peers. */
  async release(): Promise<void> {
    this.#countDropped();
    this.#lifetime.close();
    this.#queue.end();
    await this.backend.close();
  }

  /** The last count stays when the socket cannot be asked any more. */
  #countDropped(): void {
    if (this.closed) return;
    try {
      this.#droppedKernel = this.backend.droppedKernel();
    } catch {
      // It must not keep a transport from being closed.
    }
  }

  #onPacket(data: Uint8Array, from: Endpoint): void {
    if (data.length === 0) return;
    const opcode = (data[0] as number) >> 3;
    if (opcode === DATA_V1 || opcode === DATA_V2) {
      this.#droppedData++;
      return;
    }
    this.#received++;
    this.#queue.push({ data, from });
  }

  #onEnd(error: Error | undefined): void {
    if (this.closed) return;
    this.#queue.end(error === undefined ? undefined : describeError(error, "packets"));
    this.end(error === undefined ? "transport-disconnect" : "transport-error").catch(() => {});
  }
}
