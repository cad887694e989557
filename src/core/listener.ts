/**
 * The listener of the contract, over a backend's.
 */
import type { BackendListener, BackendTransport } from "./backend.ts";
import type { Listener, Transport } from "./contract.ts";
import { type DcoError, describeError } from "./errors.ts";
import type { Endpoint, TransportProtocol } from "./model.ts";
import type { CoreTransport } from "./transport.ts";

/** See {@link Listener}. */
export class CoreListener implements Listener {
  readonly protocol: TransportProtocol;
  readonly #backend: BackendListener;
  readonly #onClosed: () => void;
  readonly #adopt: (transport: BackendTransport) => CoreTransport;
  readonly #backlog: number;
  #waiting: CoreTransport[] = [];
  #error: DcoError | undefined;
  /** Iterations that wait. */
  #wakes: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  #ended = false;

  /**
   * @param backlog connections that may wait to be taken
   * @param adopt makes transports; one that it cannot make it closes
   */
  constructor(
    backend: BackendListener,
    protocol: TransportProtocol,
    backlog: number,
    adopt: (transport: BackendTransport) => CoreTransport,
    onClosed: () => void,
  ) {
    this.#backend = backend;
    this.protocol = protocol;
    this.#backlog = backlog;
    this.#adopt = adopt;
    this.#onClosed = onClosed;
    backend.start(
      (transport) => this.#onTransport(transport),
      (error) => {
        this.#error = error && describeError(error, "listen");
        this.#ended = true;
        this.#notify();
      },
    );
  }

  get local(): Endpoint {
    return this.#backend.local;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Transport> {
    for (;;) {
      const transport = this.#waiting.shift();
      if (transport) {
        if (!transport.ending) yield transport;
        continue;
      }
      if (this.#error) throw this.#error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wakes.push(resolve);
      });
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#ended = true;
    this.#notify();
    this.#onClosed();
    const unclaimed = this.#waiting.splice(0).map((transport) => transport.end());
    const [closed] = await Promise.allSettled([this.#backend.close(), ...unclaimed]);
    if (closed.status === "rejected") throw describeError(closed.reason, "close", "listener");
  }

  #onTransport(transport: BackendTransport): void {
    this.#waiting = this.#waiting.filter(({ ending }) => !ending);
    if (this.#ended || this.#waiting.length >= this.#backlog) {
      transport.close().catch(() => {});
      return;
    }
    try {
      this.#waiting.push(this.#adopt(transport));
    } catch {
      // Out of descriptors, most likely: this connection is lost, the next may not be.
      return;
    }
    this.#notify();
  }

  #notify(): void {
    for (const wake of this.#wakes.splice(0)) wake();
  }
}
