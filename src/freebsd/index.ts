/**
 * `dcokit/freebsd`: the driver typed with what only FreeBSD has.
 */
export type { FreebsdDriver, FreebsdInterface, FreebsdInterfaceOptions, InVnet } from "./driver.ts";
export { type OpenFreebsdDriverOptions, openFreebsdDriver } from "./open.ts";
export type { VnetSockets } from "./stack.ts";
