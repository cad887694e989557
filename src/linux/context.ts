/**
 * What the backend has open in one network namespace: request sockets, lanes, event sockets.
 */
import type { WireTracer } from "../core/trace.ts";
import type { BackgroundSender } from "../ffi/background-sender.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { Dumps } from "./dumps.ts";
import { type EventSocket, type EventTransport, openEventSocket } from "./event-socket.ts";
import { LANES, Lanes, POOL_LANES } from "./lanes.ts";
import { inNamespace, type NamespaceInput, type OpenNamespace, openNamespace } from "./namespace.ts";
import { NETLINK_GENERIC, NETLINK_ROUTE } from "./netlink/constants.ts";
import { NetlinkSocket } from "./netlink-socket.ts";

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
class Subscription {
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

/** The sockets of one network namespace. Shared by what lives there; closed with the last user. */
export class NamespaceContext {
  readonly namespace: OpenNamespace;
  readonly genl: NetlinkSocket;
  readonly rtnl: NetlinkSocket;
  /** Generic netlink requests with long answers. */
  readonly dumps: Dumps;
  /** Generic netlink and rtnetlink requests that take long. */
  readonly genlLanes: Lanes;
  readonly rtnlLanes: Lanes;
  readonly #system: System;
  readonly #peerEvents: Subscription;
  readonly #linkEvents: Subscription;
  users = 0;

  constructor(system: System, namespace: OpenNamespace, peersGroup: () => number) {
    const { ffi, posix, tracer, background } = system;
    this.#system = system;
    this.namespace = namespace;
    const open = (protocol: number) => this.run(() => new NetlinkSocket(posix, protocol, tracer));
    const events = (protocol: number, group: () => number) =>
      new Subscription((listener) =>
        this.run(() =>
          openEventSocket(
            ffi,
            posix,
            {
              protocol,
              group: group(),
              bufferBytes: system.eventBuffer,
              onDatagram: (datagram) => listener.onDatagram(datagram),
              onOverflow: (lost) => listener.onOverflow(lost),
            },
            system.eventTransport,
          ),
        ),
      );
    this.genl = open(NETLINK_GENERIC);
    try {
      this.rtnl = open(NETLINK_ROUTE);
    } catch (error) {
      this.genl.close();
      throw error;
    }
    this.dumps = new Dumps(() => open(NETLINK_GENERIC));
    const lanes = (protocol: number) =>
      new Lanes(
        () => this.run(() => new NetlinkSocket(posix, protocol, tracer, background)),
        background ? LANES : POOL_LANES,
      );
    this.genlLanes = lanes(NETLINK_GENERIC);
    this.rtnlLanes = lanes(NETLINK_ROUTE);
    this.#peerEvents = events(NETLINK_GENERIC, peersGroup);
    this.#linkEvents = events(NETLINK_ROUTE, () => RTNLGRP_LINK);
  }

  /** Runs something synchronous in the namespace. */
  run<T>(body: () => T): T {
    return inNamespace(this.#system.posix, this.namespace, body);
  }

  /** Follows the group `peers`: events of peers whose transport lives in this namespace. */
  onPeerEvents(listener: EventListener): () => void {
    return this.#peerEvents.add(listener);
  }

  /** Follows the links of this namespace. */
  onLinkEvents(listener: EventListener): () => void {
    return this.#linkEvents.add(listener);
  }

  async close(): Promise<void> {
    this.#peerEvents.close();
    this.#linkEvents.close();
    this.dumps.close();
    await Promise.all([this.genlLanes.close(), this.rtnlLanes.close()]);
    this.genl.close();
    this.rtnl.close();
    if (this.namespace.fd !== undefined) this.#system.posix.close(this.namespace.fd);
  }
}

/** The contexts of a driver, by namespace. */
export class Contexts {
  readonly #system: System;
  readonly #peersGroup: () => number;
  readonly #byId = new Map<string, NamespaceContext>();

  /** @param peersGroup the number of the multicast group `peers` */
  constructor(system: System, peersGroup: () => number) {
    this.#system = system;
    this.#peersGroup = peersGroup;
  }

  /** Opens, or shares, the context of a namespace; every `acquire` wants a `release`. */
  acquire(input: NamespaceInput | undefined): NamespaceContext {
    const { posix } = this.#system;
    const namespace = openNamespace(posix, input);
    let context = this.#byId.get(namespace.id);
    if (context) {
      if (namespace.fd !== undefined) posix.close(namespace.fd);
    } else {
      try {
        context = new NamespaceContext(this.#system, namespace, this.#peersGroup);
      } catch (error) {
        if (namespace.fd !== undefined) posix.close(namespace.fd);
        throw error;
      }
      this.#byId.set(namespace.id, context);
    }
    context.users++;
    return context;
  }

  async release(context: NamespaceContext): Promise<void> {
    if (--context.users > 0) return;
    this.#byId.delete(context.namespace.id);
    await context.close();
  }
}
