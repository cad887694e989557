/**
 * The one transport of an interface: the driver's socket, behind the device handle.
 */
import type {
  BackendTransport,
  BackendTransportHandlers,
  IpEndpoint,
  OpenTransportRequest,
} from "../core/backend.ts";
import { invalid } from "../core/errors.ts";
import type { Endpoint, TransportProtocol } from "../core/model.ts";
import { toEndpoint } from "../core/validate.ts";
import type { WindowsExchange } from "./exchange.ts";
import type { Packet } from "./messages.ts";

/** What the interface hears of its transport. */
export interface TransportOwner {
  onWriteFailure(error: unknown): void;
  onClose(): Promise<void>;
}

/** See {@link BackendTransport}. */
export class WindowsTransport implements BackendTransport {
  readonly protocol: TransportProtocol;
  readonly local: Endpoint | undefined;
  readonly remote: Endpoint | undefined;
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  readonly #exchange: WindowsExchange;
  readonly #remote: IpEndpoint | undefined;
  readonly #owner: TransportOwner;
  #handlers: BackendTransportHandlers | undefined;
  /** What came before somebody was there to take it. */
  #early: Packet[] = [];
  #ended: { readonly error: Error | undefined } | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    request: OpenTransportRequest,
    local: Endpoint | undefined,
    exchange: WindowsExchange,
    owner: TransportOwner,
  ) {
    this.protocol = request.protocol;
    this.local = local;
    this.#remote = request.remote;
    this.remote = request.remote && toEndpoint(request.remote);
    this.family = familyOf(request);
    this.dualStack = request.dualStack;
    this.#exchange = exchange;
    this.#owner = owner;
  }

  /** The interface reads for it: the same reads bring events. */
  start(handlers: BackendTransportHandlers): void {
    this.#handlers = handlers;
    for (const packet of this.#early.splice(0)) this.take(packet);
    if (this.#ended) handlers.onEnd(this.#ended.error);
  }

  take(packet: Packet): void {
    if (this.#handlers === undefined) {
      this.#early.push(packet);
      return;
    }
    const from = packet.address ?? this.remote;
    if (from) this.#handlers.onPacket(packet.data, from);
  }

  /** It has ended by itself. */
  end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = { error };
    this.#handlers?.onEnd(error);
  }

  async send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    const target = to ?? this.#remote;
    if (target === undefined) {
      throw invalid("to", "needed, because the transport has no remote of its own", { effect: "none" });
    }
    try {
      await this.#exchange.write(packet, target, this.family);
    } catch (error) {
      this.#owner.onWriteFailure(error);
      throw error;
    }
  }

  droppedKernel(): undefined {
    return undefined;
  }

  close(): Promise<void> {
    this.#closing ??= this.#owner.onClose();
    return this.#closing;
  }
}

/** The family of the driver's socket. */
export function familyOf({ local, remote }: Pick<OpenTransportRequest, "local" | "remote">): 4 | 6 {
  return local?.family ?? remote?.family ?? 4;
}
