/**
 * `dcokit/windows`: the driver typed with what only Windows has.
 */
export type {
  DnsOptions,
  WindowsDco,
  WindowsDriver,
  WindowsExtras,
  WindowsInterfaceOptions,
} from "./driver.ts";
export type { DriverVersion } from "./messages.ts";
export { type OpenWindowsDriverOptions, openWindowsDriver } from "./open.ts";
