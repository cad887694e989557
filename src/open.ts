/**
 * The way in: picks this platform's backend and opens its driver.
 */
import type { DcoDriver } from "./core/contract.ts";
import { DcoError, describeError, invalid } from "./core/errors.ts";
import { throwIfAborted } from "./core/lifetime.ts";
import type { CallOptions, DriverInfo } from "./core/model.ts";
import type { WireTrace } from "./core/trace.ts";
import { INT_MAX, readChoice, readFields, readInteger, readSignal } from "./core/validate.ts";

/** Options of {@link openDriver}. */
export interface OpenDriverOptions extends CallOptions {
  /** Default `auto`: the kernel backend of this platform. */
  readonly backend?: "auto" | DriverInfo["backend"];
  /** Takes the decoded messages to and from the kernel, key bytes left out. `DCO_TRACE=1` writes them to stderr. */
  readonly trace?: WireTrace;
  /** The native call library. Default `koffi`. */
  readonly ffi?: "koffi" | "ffi-rs";
  /** Linux: who puts netlink sockets into the event loop. Default `auto`: the netlink package where it loads. */
  readonly eventTransport?: "auto" | "netlink" | "ffi";
  /**
   * Linux: bytes of the kernel's buffer for events, of each network namespace in use; default 8 MiB, room for some
   * 8,700 events that this process has not read yet. What does not fit ends in `overflow` and `snapshot`.
   */
  readonly eventBuffer?: number;
}

const BACKENDS = ["auto", "linux", "linux-legacy", "freebsd", "windows", "userspace"] as const;
const FIELDS = ["signal", "backend", "trace", "ffi", "eventTransport", "eventBuffer"] as const;

/**
 * Opens the driver of this platform's kernel.
 *
 * Errors: `unavailable` (no DCO in this kernel, with what to install), `permission`.
 */
export async function openDriver(options: OpenDriverOptions = {}): Promise<DcoDriver> {
  try {
    const fields = readFields(options, FIELDS);
    const signal = readSignal(fields.signal, "signal");
    const backend = readChoice(fields.backend ?? "auto", "backend", BACKENDS);
    const ffi = readChoice(fields.ffi ?? "koffi", "ffi", ["koffi", "ffi-rs"]);
    const eventTransport = readChoice(fields.eventTransport ?? "auto", "eventTransport", [
      "auto",
      "netlink",
      "ffi",
    ]);
    const eventBuffer =
      fields.eventBuffer === undefined
        ? undefined
        : readInteger(fields.eventBuffer, "eventBuffer", 1, INT_MAX);
    if (fields.trace !== undefined && typeof fields.trace !== "function") {
      throw invalid("trace", "must be a function");
    }
    throwIfAborted(signal);
    const chosen = backend === "auto" ? platformBackend() : backend;
    if (chosen !== "linux" && chosen !== "freebsd") {
      throw new DcoError("unavailable", `this release of dcokit has no ${chosen} backend`);
    }
    if (process.platform !== chosen) {
      throw new DcoError("unavailable", `the ${chosen} backend does not run on ${process.platform}`);
    }
    const trace = fields.trace as WireTrace | undefined;
    let driver: DcoDriver;
    if (chosen === "freebsd") {
      const { openFreebsdDriver } = await import("./freebsd/open.ts");
      driver = await openFreebsdDriver({ trace });
    } else {
      const { openLinuxDriver } = await import("./linux/open.ts");
      driver = await openLinuxDriver({ ffi, eventTransport, eventBuffer, trace });
    }
    if (signal?.aborted) {
      await driver.close();
      throwIfAborted(signal);
    }
    return driver;
  } catch (error) {
    throw describeError(error, "openDriver");
  }
}

function platformBackend(): DriverInfo["backend"] {
  switch (process.platform) {
    case "linux":
      return "linux";
    case "freebsd":
      return "freebsd";
    case "win32":
      return "windows";
    default:
      throw new DcoError("unavailable", `there is no data channel offload on ${process.platform}`);
  }
}
