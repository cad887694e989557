/**
 * What the backend has open in one network namespace: request sockets, lanes, event sockets.
 */
import { NETLINK_GENERIC } from "../netlink/codec/constants.ts";
import {
  type EventListener,
  Contexts as NamespaceContexts,
  NetworkContext,
  type Subscription,
  type System,
} from "../netlink/context.ts";
import type { Lanes } from "../netlink/lanes.ts";
import type { OpenNamespace } from "../netlink/namespace.ts";
import type { NetlinkSocket, NetlinkUser } from "../netlink/netlink-socket.ts";
import { Dumps } from "./dumps.ts";

export type { EventListener, System } from "../netlink/context.ts";

/** Interfaces can be had by less, but without peers they are of no use. */
const USER: NetlinkUser = {
  backend: "linux",
  neededRight:
    "it needs CAP_NET_ADMIN in the initial user namespace; root in a container of its own user namespace lacks it",
};

/** The sockets of one network namespace. Shared by what lives there; closed with the last user. */
export class NamespaceContext extends NetworkContext {
  readonly genl: NetlinkSocket;
  /** Generic netlink requests with long answers. */
  readonly dumps: Dumps;
  /** Generic netlink requests that take long. */
  readonly genlLanes: Lanes;
  readonly #peerEvents: Subscription;

  constructor(system: System, namespace: OpenNamespace, peersGroup: () => number) {
    super(system, USER, namespace);
    try {
      this.genl = this.openSocket(NETLINK_GENERIC);
    } catch (error) {
      this.rtnl.close();
      throw error;
    }
    this.dumps = new Dumps(() => this.openSocket(NETLINK_GENERIC));
    this.genlLanes = this.openLanes(NETLINK_GENERIC);
    this.#peerEvents = this.subscription(NETLINK_GENERIC, peersGroup);
  }

  /** Follows the group `peers`: events of peers whose transport lives in this namespace. */
  onPeerEvents(listener: EventListener): () => void {
    return this.#peerEvents.add(listener);
  }

  override async close(): Promise<void> {
    this.#peerEvents.close();
    this.dumps.close();
    await this.genlLanes.close();
    this.genl.close();
    await super.close();
  }
}

/** The contexts of a driver, by namespace. */
export class Contexts extends NamespaceContexts<NamespaceContext> {
  /** @param peersGroup the number of the multicast group `peers` */
  constructor(system: System, peersGroup: () => number) {
    super(system.posix, (namespace) => new NamespaceContext(system, namespace, peersGroup));
  }
}
