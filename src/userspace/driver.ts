/**
 * The contract with what only the userspace backend has.
 */
import type { Duplex } from "node:stream";
import type { DcoDriver, DcoInterface } from "../core/contract.ts";
import type { CreateInterfaceOptions } from "../core/model.ts";
import type { Drops } from "./data/counters.ts";

/** What `createInterface` takes besides. */
export interface PacketStreamOptions {
  /** Packets that may wait for the reader of `extras.packets` before new ones are dropped. Default 1024. */
  readonly packetQueue?: number;
}

/** `dco.extras` of an interface of the userspace backend. */
export interface UserspaceExtras {
  /**
   * IP packets in object mode, one `Uint8Array` each: what is read came out of the tunnel, what is written goes into
   * it. Leaving a `for await` over it destroys it; `packets.iterator({ destroyOnReturn: false })` does not.
   */
  readonly packets: Duplex;
  /** Packets dropped so far, by reason. */
  readonly drops: Readonly<Drops>;
}

/** {@link DcoDriver} of the userspace backend. */
export interface UserspaceDriver extends DcoDriver {
  createInterface(options: CreateInterfaceOptions & PacketStreamOptions): Promise<UserspaceInterface>;
}

/** {@link DcoInterface} of the userspace backend. */
export interface UserspaceInterface extends DcoInterface {
  readonly extras: UserspaceExtras;
}
