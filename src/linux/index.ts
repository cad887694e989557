/**
 * `dcokit/linux`: the driver typed with what only Linux has.
 */
export type { InNamespace, LinuxDriver, LinuxInterface } from "./driver.ts";
export type { EventTransport } from "./event-socket.ts";
export type { NamespaceInput } from "./namespace.ts";
export { type OpenLinuxDriverOptions, openLinuxDriver } from "./open.ts";
export type { SocketRouting } from "./socket-options.ts";
