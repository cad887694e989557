/**
 * The contract with what only Windows has.
 */
import type { DcoDriver, DcoInterface } from "../core/contract.ts";
import type { AdoptInterfaceOptions, CreateInterfaceOptions } from "../core/model.ts";
import type { DriverVersion } from "./messages.ts";

/** How interfaces come to be. */
export interface WindowsInterfaceOptions {
  /**
   * `true`: a new adapter is made, which takes seconds and needs an elevated process. `false`: only adapters that are
   * there are opened. Default: the first that is free, and a new one where none is. Windows names new ones itself, so
   * `name` is for those that are there.
   */
  readonly createAdapter?: boolean;
}

/** DNS of an adapter. */
export interface DnsOptions {
  /** IPv4 and IPv6 addresses; none: as the system has it by itself. */
  readonly servers: readonly string[];
  /** The connection's own suffix. */
  readonly suffix?: string;
}

/** `dco.extras` on Windows. */
export interface WindowsExtras {
  /** Of the driver behind this adapter. */
  readonly version: DriverVersion;
  /** Such as `ROOT\NET\0002`. */
  readonly instance: string;
  /** Of the network card, in braces. */
  readonly guid: string | undefined;
  /** NET_LUID. */
  readonly luid: bigint | undefined;
  /** Sets the DNS servers of the adapter (SetInterfaceDnsSettings, Windows 10 2004). Errors: `invalid`, `permission`. */
  setDns(options: DnsOptions): Promise<void>;
  /** Sets the metric of the interface, to which those of its routes are added. Errors: `invalid`, `permission`. */
  setMetric(metric: number | "automatic"): Promise<void>;
}

/** {@link DcoDriver} on Windows. */
export interface WindowsDriver extends DcoDriver {
  createInterface(options: CreateInterfaceOptions & WindowsInterfaceOptions): Promise<WindowsDco>;
  adoptInterface(name: string, options?: AdoptInterfaceOptions): Promise<WindowsDco>;
}

/** {@link DcoInterface} on Windows. */
export interface WindowsDco extends DcoInterface {
  readonly extras: WindowsExtras;
}
