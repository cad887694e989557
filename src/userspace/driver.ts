/**
 * The contract with what only the userspace backend has.
 */
import type { Duplex } from "node:stream";
import type { DcoDriver, DcoInterface } from "../core/contract.ts";
import type { CreateInterfaceOptions, InterfaceInfo, ListInterfacesOptions } from "../core/model.ts";
import type { NamespaceInput } from "../netlink/namespace.ts";
import type { Drops } from "./data/counters.ts";

/** What `createInterface` takes besides, for an interface whose packets are a stream. */
export interface PacketStreamOptions {
  /** Default: the packets are a stream, `extras.packets`. */
  readonly device?: "stream";
  /** Packets that may wait for the reader of `extras.packets` before new ones are dropped. Default 1024. */
  readonly packetQueue?: number;
}

/**
 * What `createInterface` takes for an interface of the operating system's (capability `tunDevice`).
 *
 * Errors besides those of `createInterface`: `unsupported`, where the platform has no TUN that is used here;
 * `unavailable`, where its kernel or container has no `/dev/net/tun`; `permission`, without CAP_NET_ADMIN.
 */
export interface TunOptions {
  /** A TUN device: it has addresses and routes, `configure` sets them, and its packets are the system's. */
  readonly device: "tun";
  /** Network namespace of the device; default that of the process, where transports are in any case. */
  readonly namespace?: NamespaceInput;
}

/** Where TUN devices are; default the network namespace of the process, where streams are too. */
export interface InNamespace {
  readonly namespace?: NamespaceInput;
}

/** `dco.extras` of a TUN device. */
export interface TunExtras {
  /** Packets dropped so far, by reason. */
  readonly drops: Readonly<Drops>;
}

/** `dco.extras` of an interface whose packets are a stream. */
export interface UserspaceExtras extends TunExtras {
  /**
   * IP packets in object mode, one `Uint8Array` each: what is read came out of the tunnel, what is written goes into
   * it. Leaving a `for await` over it destroys it; `packets.iterator({ destroyOnReturn: false })` does not.
   */
  readonly packets: Duplex;
}

/** {@link DcoDriver} of the userspace backend. */
export interface UserspaceDriver extends DcoDriver {
  createInterface(options: CreateInterfaceOptions & TunOptions): Promise<TunInterface>;
  createInterface(options: CreateInterfaceOptions & PacketStreamOptions): Promise<UserspaceInterface>;
  listInterfaces(options?: ListInterfacesOptions & InNamespace): Promise<InterfaceInfo[]>;
  deleteInterface(name: string, options?: ListInterfacesOptions & InNamespace): Promise<void>;
}

/** {@link DcoInterface} of the userspace backend, as a stream of packets. */
export interface UserspaceInterface extends DcoInterface {
  readonly extras: UserspaceExtras;
}

/** {@link DcoInterface} of the userspace backend, as a TUN device. */
export interface TunInterface extends DcoInterface {
  readonly extras: TunExtras;
}
