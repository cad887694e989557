/**
 * Opens the FreeBSD driver.
 */
import { CoreDriver } from "../core/driver.ts";
import { type WireTrace, WireTracer } from "../core/trace.ts";
import { loadFfi } from "../ffi/index.ts";
import { createPosix } from "../ffi/posix.ts";
import { FreebsdBackend } from "./backend.ts";
import type { FreebsdDriver } from "./driver.ts";

/** Options of {@link openFreebsdDriver}. */
export interface OpenFreebsdDriverOptions {
  readonly ffi?: "koffi" | "ffi-rs" | undefined;
  readonly trace?: WireTrace | undefined;
}

/** Opens the driver of `if_ovpn`, typed with what FreeBSD has besides. Errors: `unavailable`. */
export async function openFreebsdDriver(options: OpenFreebsdDriverOptions = {}): Promise<FreebsdDriver> {
  const ffi = loadFfi(options.ffi);
  const tracer = new WireTracer(options.trace);
  return new CoreDriver(FreebsdBackend.open({ ffi, posix: createPosix(ffi), tracer })) as FreebsdDriver;
}
