/**
 * The transports of an interface.
 */
import type { BackendInterface, BackendRules, BackendTransport } from "./backend.ts";
import { NO_BULK_OPTIONS, runBulk } from "./bulk.ts";
import type { Capabilities } from "./capabilities.ts";
import { DcoError, describeError, unsupported } from "./errors.ts";
import { CoreListener } from "./listener.ts";
import type { PeerLives } from "./peer-lives.ts";
import type { PeerRecord } from "./peer-table.ts";
import type { Peers } from "./peers.ts";
import { CoreTransport, type TransportEndReason, type TransportOwner } from "./transport.ts";
import {
  checkOnlyRemote,
  checkRemoteFamily,
  parseEndpoint,
  type ValidatedSend,
  validateListen,
  validateOpenTransport,
  validateSend,
} from "./validate.ts";

/** Opens, lists and closes the transports of one interface. */
export class Transports implements TransportOwner {
  readonly dco: BackendInterface;
  readonly #capabilities: Capabilities;
  readonly #rules: BackendRules;
  readonly #lives: PeerLives;
  readonly #peers: Peers;
  readonly #open = new Set<CoreTransport>();
  readonly #listeners = new Set<CoreListener>();
  #opening = 0;
  /** The interface is closing: its transports go with it, whatever the kernel lets one close alone. */
  closing = false;

  constructor(
    backend: BackendInterface,
    capabilities: Capabilities,
    rules: BackendRules,
    lives: PeerLives,
    peers: Peers,
  ) {
    this.dco = backend;
    this.#capabilities = capabilities;
    this.#rules = rules;
    this.#lives = lives;
    this.#peers = peers;
    lives.whenEnded(({ transport }) => {
      // What is left of the transport is of no use to anybody.
      if (transport && !transport.ending && capabilities.peerEndsTransport.includes(transport.protocol)) {
        transport.end("transport-disconnect").catch(() => {});
      }
    });
  }

  async open(options: unknown, signal: AbortSignal | undefined): Promise<CoreTransport> {
    const request = validateOpenTransport(options, this.#rules, this.#capabilities);
    const limit = this.#capabilities.maxTransports;
    // Who sees one end opens the next, and the end may not be over yet.
    if (this.#open.size >= limit) await this.#ended();
    if (this.#open.size + this.#opening >= limit) {
      throw unsupported(
        "maxTransports",
        `this driver takes ${limit} transport(s) for an interface at a time`,
      );
    }
    this.#opening++;
    try {
      return this.#adopt(await this.dco.openTransport(request, signal), request.queueLimit);
    } finally {
      this.#opening--;
    }
  }

  async listen(options: unknown): Promise<CoreListener> {
    const request = validateListen(options, this.#rules, this.#capabilities);
    const { protocol, backlog, queueLimit } = request;
    const backend = await this.dco.listen(request);
    const adopt = (transport: BackendTransport) => this.#adopt(transport, queueLimit);
    try {
      const onClosed = () => this.#listeners.delete(listener);
      const listener: CoreListener = new CoreListener(backend, protocol, backlog, adopt, onClosed);
      this.#listeners.add(listener);
      return listener;
    } catch (error) {
      await backend.close();
      throw error;
    }
  }

  /** Closes listeners and transports; all of them, whatever fails. */
  async closeAll(): Promise<void> {
    const all = [
      ...[...this.#listeners].map((listener) => listener.close()),
      ...[...this.#open].map((transport) => transport.end()),
    ];
    const failed = (await Promise.allSettled(all)).find(isRejected);
    if (failed) throw failed.reason;
  }

  /** Waits for the transports that are closing. */
  async #ended(): Promise<void> {
    const closing = [...this.#open].filter(({ ending }) => ending);
    await Promise.allSettled(closing.map((transport) => transport.end()));
  }

  // --- for the transport ---

  validateSend(packet: unknown, options: unknown, transport: CoreTransport): ValidatedSend {
    const send = validateSend(packet, options, this.#capabilities);
    if (send.to) {
      checkOnlyRemote(send.to, transport.backend, "to", this.#capabilities);
      checkRemoteFamily(send.to, transport.backend, "to");
    }
    return send;
  }

  peerRemote(id: number, transport: CoreTransport): ValidatedSend["to"] {
    const record = this.#peers.find(id);
    if (record.transport !== undefined && record.transport !== transport) {
      throw new DcoError("not-found", `peer ${id} is on another transport`, { effect: "none" });
    }
    return record.remote && parseEndpoint(record.remote, "peer", { port: "nonzero" });
  }

  closeRefusal(): DcoError | undefined {
    if (this.#capabilities.closeTransport || this.closing) return undefined;
    return unsupported("closeTransport", "here a transport closes only with its interface", {
      operation: "close",
      effect: "none",
    });
  }

  async closeTransport(transport: CoreTransport, reason: TransportEndReason): Promise<void> {
    transport.ending = true;
    const failures: unknown[] = [];
    const end = (record: PeerRecord) => this.#peers.endWithTransport(record, reason);
    for (const result of await runBulk([...transport.peers], NO_BULK_OPTIONS, end)) {
      if (!result.ok) failures.push(result.error);
    }
    await transport.release().catch((error: unknown) => failures.push(error));
    this.#open.delete(transport);
    // The kernel ends with the socket whatever peer was left on it.
    for (const record of [...transport.peers]) this.#lives.end(record, reason);
    if (failures.length > 0) throw describeError(failures[0], "close", "transport");
  }

  #adopt(backend: BackendTransport, queueLimit: number): CoreTransport {
    try {
      const transport = new CoreTransport(this, backend, queueLimit);
      this.#open.add(transport);
      return transport;
    } catch (error) {
      // It cannot be read.
      backend.close().catch(() => {});
      throw error;
    }
  }
}

function isRejected(result: PromiseSettledResult<unknown>): result is PromiseRejectedResult {
  return result.status === "rejected";
}
