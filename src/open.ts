/**
 * The way in: picks this platform's backend and opens its driver.
 */
import type { DcoDriver } from "./core/contract.ts";
import { DcoError, describeError, invalid } from "./core/errors.ts";
import { throwIfAborted } from "./core/lifetime.ts";
import type { BackendName, CallOptions } from "./core/model.ts";
import type { WireTrace } from "./core/trace.ts";
import { INT_MAX, readBoolean, readChoice, readFields, readInteger, readSignal } from "./core/validate.ts";

/** Options of {@link openDriver}. */
export interface OpenDriverOptions extends CallOptions {
  /**
   * Default `auto`: the kernel backend of this platform; see `allowUserspace`. On Linux that is the in-tree module
   * (`linux`), else the out-of-tree `ovpn-dco-v2` (`linux-legacy`).
   */
  readonly backend?: "auto" | BackendName;
  /**
   * `auto` may choose the userspace backend where the kernel's cannot be used: no module, no right, no native calls.
   * `driver.info.reason` says so. Default false: its interfaces are streams of packets, none of the system's.
   */
  readonly allowUserspace?: boolean;
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
const FIELDS = [
  "signal",
  "backend",
  "allowUserspace",
  "trace",
  "ffi",
  "eventTransport",
  "eventBuffer",
] as const;

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
    const { trace } = fields as { readonly trace?: WireTrace };
    const allowUserspace =
      fields.allowUserspace === undefined ? false : readBoolean(fields.allowUserspace, "allowUserspace");
    throwIfAborted(signal);
    const driver = await open(backend, allowUserspace, { ffi, eventTransport, eventBuffer, trace });
    if (signal?.aborted) {
      await driver.close();
      throwIfAborted(signal);
    }
    return driver;
  } catch (error) {
    throw describeError(error, "openDriver");
  }
}

type LinuxOptions = Parameters<typeof import("./linux/open.ts")["openLinuxDriver"]>[0];

async function open(
  backend: "auto" | BackendName,
  allowUserspace: boolean,
  linux: LinuxOptions,
): Promise<DcoDriver> {
  if (backend === "userspace") return openUserspace("it was asked for by name", linux?.trace);
  if (backend !== "auto" || !allowUserspace) return openKernel(backend, linux);
  try {
    return await openPermitted(linux);
  } catch (error) {
    if (!DcoError.is(error) || !FALLS_BACK.has(error.code)) throw error;
    return openUserspace(`the kernel's module cannot be used: ${error.message}`, linux?.trace);
  }
}

/** A kernel's driver can be opened without the right to do anything with it, which is no help here. */
async function openPermitted(linux: LinuxOptions): Promise<DcoDriver> {
  if (process.platform === "linux") {
    const { missingRight } = await import("./linux/rights.ts");
    const missing = missingRight();
    if (missing !== undefined) throw new DcoError("permission", missing);
  }
  return openKernel("auto", linux);
}

/** Why a kernel's backend is not to be had, other than by a mistake in the options. */
const FALLS_BACK: ReadonlySet<string> = new Set(["unavailable", "permission"]);

async function openUserspace(reason: string, trace: WireTrace | undefined): Promise<DcoDriver> {
  const { openUserspaceDriver } = await import("./userspace/open.ts");
  return openUserspaceDriver({ reason, trace });
}

async function openKernel(
  backend: "auto" | Exclude<BackendName, "userspace">,
  linux: LinuxOptions,
): Promise<DcoDriver> {
  const chosen = backend === "auto" ? platformBackend() : backend;
  const platform = PLATFORMS[chosen];
  if (platform === undefined) {
    throw new DcoError("unavailable", `this release of dcokit has no ${chosen} backend`);
  }
  if (process.platform !== platform) {
    throw new DcoError("unavailable", `the ${chosen} backend does not run on ${process.platform}`);
  }
  const module = backend === "linux" || backend === "linux-legacy" ? backend : "auto";
  if (chosen === "freebsd") {
    const { openFreebsdDriver } = await import("./freebsd/open.ts");
    return openFreebsdDriver({ ffi: linux?.ffi, trace: linux?.trace });
  }
  if (chosen === "windows") {
    const { openWindowsDriver } = await import("./windows/open.ts");
    return openWindowsDriver({ trace: linux?.trace });
  }
  const { openLinuxDriver } = await import("./linux/open.ts");
  return openLinuxDriver({ ...linux, module });
}

/** Where the backends of this release run. */
const PLATFORMS: Readonly<Partial<Record<BackendName, NodeJS.Platform>>> = {
  linux: "linux",
  "linux-legacy": "linux",
  freebsd: "freebsd",
  windows: "win32",
};

function platformBackend(): BackendName {
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
