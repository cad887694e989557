/**
 * The contract with what only FreeBSD has.
 */
import type { DcoDriver, DcoInterface, Transport } from "../core/contract.ts";
import type {
  AdoptInterfaceOptions,
  CreateInterfaceOptions,
  InterfaceInfo,
  ListInterfacesOptions,
  OpenTransportOptions,
} from "../core/model.ts";
import type { VnetSockets } from "./stack.ts";

/** Where an interface or a socket lives. */
export interface InVnet {
  /**
   * What makes sockets in another network stack, that of a VNET jail; default that of this process, and for transports
   * that of their interface. The same object means the same stack.
   */
  readonly vnet?: VnetSockets;
}

/** What interfaces are made with besides. */
export interface FreebsdInterfaceOptions {
  /**
   * Whether the interface is one for multicast, so that programs can join groups on it; the system then tells its
   * neighbours of IPv6 groups as well, which are packets in the tunnel. Default false.
   */
  readonly multicast?: boolean;
}

/** {@link DcoDriver} on FreeBSD. */
export interface FreebsdDriver extends DcoDriver {
  createInterface(
    options: CreateInterfaceOptions & FreebsdInterfaceOptions & InVnet,
  ): Promise<FreebsdInterface>;
  adoptInterface(name: string, options?: AdoptInterfaceOptions & InVnet): Promise<FreebsdInterface>;
  listInterfaces(options?: ListInterfacesOptions & InVnet): Promise<InterfaceInfo[]>;
  deleteInterface(name: string, options?: ListInterfacesOptions & InVnet): Promise<void>;
  cleanUp(options?: ListInterfacesOptions & InVnet): Promise<InterfaceInfo[]>;
}

/** {@link DcoInterface} on FreeBSD. */
export interface FreebsdInterface extends DcoInterface {
  openTransport(options: OpenTransportOptions & InVnet): Promise<Transport>;
}
