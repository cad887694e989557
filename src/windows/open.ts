/**
 * Opens the Windows driver.
 */
import { CoreDriver } from "../core/driver.ts";
import { DcoError } from "../core/errors.ts";
import { type WireTrace, WireTracer } from "../core/trace.ts";
import { type Ffi, loadFfi } from "../ffi/index.ts";
import { Adapters, isDriverPath } from "./adapters.ts";
import { WindowsBackend } from "./backend.ts";
import type { WindowsDriver } from "./driver.ts";
import { Win32Devices } from "./win32/devices.ts";
import { createIpHelper } from "./win32/iphelper.ts";
import { createRegistry } from "./win32/registry.ts";
import { createSetupApi } from "./win32/setupapi.ts";
import { createSystem } from "./win32/system.ts";

/** Options of {@link openWindowsDriver}. */
export interface OpenWindowsDriverOptions {
  readonly trace?: WireTrace | undefined;
  /**
   * Which device interfaces are the driver's, by their path. Default: those with the reference string `ovpn-dco`. For
   * drivers of tests, where the system has no reference strings.
   */
  readonly isDriverPath?: ((path: string) => boolean) | undefined;
}

/** Opens the driver of `ovpn-dco-win`, typed with what Windows has besides. Errors: `unavailable`. */
export async function openWindowsDriver(options: OpenWindowsDriverOptions = {}): Promise<WindowsDriver> {
  return new CoreDriver(await openWindowsBackend(options)) as unknown as WindowsDriver;
}

/** The backend alone. Errors: `unavailable`. */
export async function openWindowsBackend(options: OpenWindowsDriverOptions): Promise<WindowsBackend> {
  if (process.arch !== "x64" && process.arch !== "arm64") {
    throw new DcoError("unavailable", `the windows backend is for 64-bit processes, not ${process.arch}`);
  }
  calls ??= bindCalls(loadFfi());
  const { devices, system, ip } = calls;
  const adapters = new Adapters({ ...calls, isDriverPath: options.isDriverPath ?? isDriverPath });
  const tracer = new WireTracer(options.trace);
  return WindowsBackend.open({ opener: devices, adapters, ip, system, tracer });
}

/** Bound once for each thread of JavaScript: waiting takes an event, a callback and a wait of the system's, which stay. */
let calls: ReturnType<typeof bindCalls> | undefined;

function bindCalls(ffi: Ffi) {
  const devices = new Win32Devices(ffi);
  const registry = createRegistry(ffi);
  const setup = createSetupApi(ffi, registry);
  return { devices, registry, setup, system: createSystem(ffi), ip: createIpHelper(ffi, devices.kernel) };
}
