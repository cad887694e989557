/**
 * Opens the Linux driver.
 */
import { CoreDriver } from "../core/driver.ts";
import { type WireTrace, WireTracer } from "../core/trace.ts";
import { createBackgroundSender } from "../ffi/background-sender.ts";
import { loadFfi } from "../ffi/index.ts";
import { createPosix } from "../ffi/posix.ts";
import { EVENT_BUFFER_BYTES, type EventTransport } from "../netlink/event-socket.ts";
import { LinuxBackend } from "./backend.ts";
import type { LinuxDriver } from "./driver.ts";
import type { WantedModule } from "./family.ts";

/** Options of {@link openLinuxDriver}. */
export interface OpenLinuxDriverOptions {
  /**
   * `linux` is the in-tree module `ovpn` (or that of ovpn-backports), `linux-legacy` the out-of-tree `ovpn-dco-v2`,
   * `auto` the first of them that is there. Default `auto`.
   */
  readonly module?: WantedModule | undefined;
  /** The native call library. Default `koffi`. */
  readonly ffi?: "koffi" | "ffi-rs" | undefined;
  /** Who puts netlink sockets into the event loop. Default `auto`: the netlink package where it loads. */
  readonly eventTransport?: EventTransport | undefined;
  /** Bytes of the kernel's buffer for events, of each network namespace in use. Default 8 MiB. */
  readonly eventBuffer?: number | undefined;
  /** Takes the decoded messages to and from the kernel, key bytes left out. */
  readonly trace?: WireTrace | undefined;
}

/** Opens the driver of a DCO module, typed with what Linux has besides. Errors: `unavailable`. */
export async function openLinuxDriver(options: OpenLinuxDriverOptions = {}): Promise<LinuxDriver> {
  const ffi = loadFfi(options.ffi);
  const system = {
    ffi,
    posix: createPosix(ffi),
    tracer: new WireTracer(options.trace),
    eventTransport: options.eventTransport ?? "auto",
    eventBuffer: options.eventBuffer ?? EVENT_BUFFER_BYTES,
    background: createBackgroundSender(ffi),
  };
  const backend = await LinuxBackend.open(system, options.module ?? "auto");
  return new CoreDriver(backend) as LinuxDriver;
}
