/**
 * What a backend has open in one network namespace: a request socket, lanes, an event socket.
 */
import type { WireTracer } from "../core/trace.ts";
import type { BackgroundSender } from "../ffi/background-sender.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { NETLINK_ROUTE } from "./codec/constants.ts";
import { type EventSocket, type EventTransport, openEventSocket } from "./event-socket.ts";
import { LANES, Lanes, POOL_LANES } from "./lanes.ts";
import { inNamespace, type NamespaceInput, type OpenNamespace, openNamespace } from "./namespace.ts";
import { NetlinkSocket, type NetlinkUser } from "./netlink-socket.ts";

/** Gets the datagrams of an event socket, or its losses. */
export interface EventListener {
  onDatagram(datagram: Uint8Array): void;
  onOverflow(lost: number): void;
}

/** What all namespaces have in common. */
export interface System {
  readonly ffi: Ffi;
  readonly posix: Posix;
  readonly tracer: WireTracer;
  readonly eventTransport: EventTransport;
  /** Bytes of the kernel's buffer for events, of each namespace. */
  readonly eventBuffer: number;
  /** For what takes the kernel long; undefined where the C library has no threads for that. */
  readonly background?: BackgroundSender | undefined;
}

/** An event socket with its listeners: opened with the first, closed with the last. */
export class Subscription {
  readonly #open: (listener: EventListener) => EventSocket;
  readonly #listeners = new Set<EventListener>();
  #socket: EventSocket | undefined;

  constructor(open: (listener: EventListener) => EventSocket) {
    this.#open = open;
  }

  /** @returns what ends the subscription */
  add(listener: EventListener): () => void {
    this.#socket ??= this.#open({
      onDatagram: (datagram) => {
        for (const each of this.#listeners) each.onDatagram(datagram);
      },
      onOverflow: (lost) => {
        for (const each of this.#listeners) each.onOverflow(lost);
      },
    });
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#socket?.close();
      this.#socket = undefined;
    };
  }

  close(): void {
    this.#listeners.clear();
    this.#socket?.close();
    this.#socket = undefined;
  }
}

/** RTNLGRP_LINK: links that appear, change and vanish. */
const RTNLGRP_LINK = 1;

/** The rtnetlink sockets of one network namespace. Shared by what lives there; closed with the last user. */
export class NetworkContext {
  readonly namespace: OpenNamespace;
  readonly rtnl: NetlinkSocket;
  /** Requests that take long. */
  readonly rtnlLanes: Lanes;
  readonly #system: System;
  readonly #user: NetlinkUser;
  readonly #linkEvents: Subscription;
  users = 0;

  constructor(system: System, user: NetlinkUser, namespace: OpenNamespace) {
    this.#system = system;
    this.#user = user;
    this.namespace = namespace;
    this.rtnl = this.openSocket(NETLINK_ROUTE);
    this.rtnlLanes = this.openLanes(NETLINK_ROUTE);
    this.#linkEvents = this.subscription(NETLINK_ROUTE, () => RTNLGRP_LINK);
  }

  /** Runs something synchronous in the namespace. */
  run<T>(body: () => T): T {
    return inNamespace(this.#system.posix, this.namespace, body);
  }

  /** Follows the links of this namespace. */
  onLinkEvents(listener: EventListener): () => void {
    return this.#linkEvents.add(listener);
  }

  async close(): Promise<void> {
    this.#linkEvents.close();
    await this.rtnlLanes.close();
    this.rtnl.close();
    if (this.namespace.fd !== undefined) this.#system.posix.close(this.namespace.fd);
  }

  protected openSocket(protocol: number, background?: BackgroundSender): NetlinkSocket {
    const { posix, tracer } = this.#system;
    return this.run(() => new NetlinkSocket(posix, protocol, this.#user, tracer, background));
  }

  protected openLanes(protocol: number): Lanes {
    const { background } = this.#system;
    return new Lanes(() => this.openSocket(protocol, background), background ? LANES : POOL_LANES);
  }

  /** @param group asked for when somebody listens */
  protected subscription(protocol: number, group: () => number): Subscription {
    const { ffi, posix, eventBuffer, eventTransport } = this.#system;
    return new Subscription((listener) =>
      this.run(() =>
        openEventSocket(
          ffi,
          posix,
          {
            protocol,
            group: group(),
            bufferBytes: eventBuffer,
            onDatagram: (datagram) => listener.onDatagram(datagram),
            onOverflow: (lost) => listener.onOverflow(lost),
          },
          eventTransport,
        ),
      ),
    );
  }
}

/** The contexts of a driver, by namespace. */
export class Contexts<C extends NetworkContext> {
  readonly #posix: Posix;
  readonly #open: (namespace: OpenNamespace) => C;
  readonly #byId = new Map<string, C>();

  /** @param open makes a context, which closes the namespace's descriptor */
  constructor(posix: Posix, open: (namespace: OpenNamespace) => C) {
    this.#posix = posix;
    this.#open = open;
  }

  /** Opens, or shares, the context of a namespace; every `acquire` wants a `release`. */
  acquire(input: NamespaceInput | undefined): C {
    const posix = this.#posix;
    const namespace = openNamespace(posix, input);
    let context = this.#byId.get(namespace.id);
    if (context) {
      if (namespace.fd !== undefined) posix.close(namespace.fd);
    } else {
      try {
        context = this.#open(namespace);
      } catch (error) {
        if (namespace.fd !== undefined) posix.close(namespace.fd);
        throw error;
      }
      this.#byId.set(namespace.id, context);
    }
    context.users++;
    return context;
  }

  async release(context: C): Promise<void> {
    if (--context.users > 0) return;
    this.#byId.delete(context.namespace.id);
    await context.close();
  }
}
