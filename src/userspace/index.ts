/**
 * `dcokit/userspace`: the driver that needs no kernel module, typed with what only it has.
 */

export type { NamespaceInput } from "../netlink/namespace.ts";
export type { Drops } from "./data/counters.ts";
export type {
  InNamespace,
  PacketStreamOptions,
  TunExtras,
  TunInterface,
  TunOptions,
  UserspaceDriver,
  UserspaceExtras,
  UserspaceInterface,
} from "./driver.ts";
export { type OpenUserspaceDriverOptions, openUserspaceDriver } from "./open.ts";
