/**
 * The listener of the contract, over a backend's.
 */
import type { BackendListener, BackendTransport } from "./backend.ts";
import type { Listener, Transport } from "./contract.ts";
import { type DcoError, describeError } from "./errors.ts";
import type { Endpoint, TransportProtocol } from "./model.ts";

/** See {@link Listener}. */
export class CoreListener implements Listener {
  readonly protocol: TransportProtocol;
  readonly #backend: BackendListener;
  readonly #onClosed: () => void;
  readonly #waiting: Transport[] = [];
  #error: DcoError | undefined;
  #wake: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #ended = false;

  constructor(
    backend: BackendListener,
    protocol: TransportProtocol,
    adopt: (transport: BackendTransport) => Transport,
    onClosed: () => void,
  ) {
    this.#backend = backend;
    this.protocol = protocol;
    this.#onClosed = onClosed;
    backend.start(
      (transport) => {
        this.#waiting.push(adopt(transport));
        this.#notify();
      },
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
        yield transport;
        continue;
      }
      if (this.#error) throw this.#error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
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
    const unclaimed = this.#waiting.splice(0).map((transport) => transport.close());
    await Promise.allSettled(unclaimed);
    await this.#backend.close();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
