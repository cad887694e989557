/**
 * `dcokit/linux`: the driver typed with what only Linux has.
 */

export type { EventTransport } from "../netlink/event-socket.ts";
export type { NamespaceInput } from "../netlink/namespace.ts";
export type { InNamespace, LinuxDriver, LinuxInterface } from "./driver.ts";
export type { WantedModule } from "./family.ts";
export { type OpenLinuxDriverOptions, openLinuxDriver } from "./open.ts";
export type { SocketRouting } from "./socket-options.ts";
