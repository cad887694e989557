/**
 * The contract with what only Linux has.
 */
import type { DcoDriver, DcoInterface, Listener, Transport } from "../core/contract.ts";
import type {
  AdoptInterfaceOptions,
  CreateInterfaceOptions,
  InterfaceInfo,
  ListenOptions,
  ListInterfacesOptions,
  OpenTransportOptions,
} from "../core/model.ts";
import type { NamespaceInput } from "../netlink/namespace.ts";
import type { SocketRouting } from "./socket-options.ts";

/** Where an interface or a socket lives. */
export interface InNamespace {
  /** Network namespace; default that of the process, and for transports that of their interface. */
  readonly namespace?: NamespaceInput;
}

/** {@link DcoDriver} on Linux. */
export interface LinuxDriver extends DcoDriver {
  createInterface(options: CreateInterfaceOptions & InNamespace): Promise<LinuxInterface>;
  adoptInterface(name: string, options?: AdoptInterfaceOptions & InNamespace): Promise<LinuxInterface>;
  listInterfaces(options?: ListInterfacesOptions & InNamespace): Promise<InterfaceInfo[]>;
  deleteInterface(name: string, options?: ListInterfacesOptions & InNamespace): Promise<void>;
  cleanUp(options?: ListInterfacesOptions & InNamespace): Promise<InterfaceInfo[]>;
}

/** {@link DcoInterface} on Linux. */
export interface LinuxInterface extends DcoInterface {
  openTransport(options: OpenTransportOptions & InNamespace & SocketRouting): Promise<Transport>;
  listen(options: ListenOptions & InNamespace & SocketRouting): Promise<Listener>;
}
