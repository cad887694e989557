/**
 * The transports of one interface, and the namespaces in which the kernel tells of their peers.
 */
import type {
  BackendListener,
  BackendTransport,
  ListenRequest,
  OpenTransportRequest,
} from "../core/backend.ts";
import { invalid } from "../core/errors.ts";
import { type NamespaceInput, openSocketNamespace } from "../netlink/namespace.ts";
import type { ModuleCodec } from "./codec.ts";
import type { Contexts, EventListener, NamespaceContext, System } from "./context.ts";
import { refuseRouting, withRouting } from "./socket-options.ts";
import { openTcpTransport, TcpListener } from "./tcp-connect.ts";
import type { TcpTransport } from "./tcp-transport.ts";
import { openUdpTransport } from "./udp-transport.ts";

/** See the module's comment. */
export class OvpnTransports {
  readonly #system: System;
  readonly #contexts: Contexts;
  readonly #home: NamespaceContext;
  readonly #sockets: ModuleCodec["sockets"];
  readonly #listener: EventListener;
  /** Namespaces whose events are followed, with what ends that. */
  readonly #followed = new Map<NamespaceContext, () => void>();

  /**
   * @param home the interface's namespace
   * @param sockets what the module does with them
   * @param listener gets the events of peers, and their losses, from all namespaces that are followed
   */
  constructor(
    system: System,
    contexts: Contexts,
    home: NamespaceContext,
    sockets: ModuleCodec["sockets"],
    listener: EventListener,
  ) {
    this.#sockets = sockets;
    this.#system = system;
    this.#contexts = contexts;
    this.#home = home;
    this.#listener = listener;
  }

  /** Follows the interface's own namespace. */
  start(): void {
    this.#follow(this.#home);
  }

  async open(request: OpenTransportRequest, signal: AbortSignal | undefined): Promise<BackendTransport> {
    const named = this.#named(request.extras["namespace"]);
    let found: NamespaceContext | undefined;
    try {
      if (request.adopt) found = this.#contextOf(request.adopt.fd);
      if (found && named && found !== named) {
        const problem = "the adopted socket lives in another network namespace";
        throw invalid("namespace", problem, { effect: "none" });
      }
      if (named && request.adoptNode) {
        throw invalid("namespace", "an adopted net.Socket lives where it lives", { effect: "none" });
      }
      return await this.#open(found ?? named ?? this.#home, request, signal);
    } finally {
      if (found) await this.#contexts.release(found);
      if (named) await this.#contexts.release(named);
    }
  }

  async listen(request: ListenRequest): Promise<BackendListener> {
    const { ffi, posix } = this.#system;
    const named = this.#named(request.extras["namespace"]);
    try {
      const context = named ?? this.#home;
      this.#follow(context);
      return new TcpListener(ffi, withRouting(posix, request.extras), context, request, this.#sockets);
    } finally {
      if (named) await this.#contexts.release(named);
    }
  }

  async close(): Promise<void> {
    for (const stop of this.#followed.values()) stop();
    for (const context of this.#followed.keys()) await this.#contexts.release(context);
    this.#followed.clear();
  }

  async #open(
    context: NamespaceContext,
    request: OpenTransportRequest,
    signal: AbortSignal | undefined,
  ): Promise<BackendTransport> {
    const { ffi } = this.#system;
    if (request.adopt || request.adoptNode) refuseRouting(request.extras);
    const posix = withRouting(this.#system.posix, request.extras);
    // Before there is a peer whose events could be missed.
    this.#follow(context);
    if (request.protocol === "udp") return openUdpTransport(ffi, posix, context, request, this.#sockets);
    const transport = await openTcpTransport(ffi, posix, context, request, this.#sockets, signal);
    if (request.adoptNode) await this.#followSocket(transport);
    return transport;
  }

  /** Follows the namespace of a socket that was found when it was opened; still before there is a peer. */
  async #followSocket(transport: TcpTransport): Promise<void> {
    try {
      const context = this.#contextOf(transport.fd);
      if (context === undefined) return;
      this.#follow(context);
      await this.#contexts.release(context);
    } catch (error) {
      await transport.close();
      throw error;
    }
  }

  #named(namespace: unknown): NamespaceContext | undefined {
    return namespace === undefined ? undefined : this.#contexts.acquire(namespace as NamespaceInput);
  }

  /** The namespace of a socket of the caller's. */
  #contextOf(fd: number): NamespaceContext | undefined {
    const { posix } = this.#system;
    const namespace = openSocketNamespace(posix, fd);
    if (namespace === undefined) return undefined;
    try {
      return this.#contexts.acquire(namespace);
    } finally {
      posix.close(namespace);
    }
  }

  #follow(context: NamespaceContext): void {
    if (this.#followed.has(context)) return;
    this.#followed.set(context, context.onPeerEvents(this.#listener));
    context.users++;
  }
}
