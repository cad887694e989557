/**
 * The native interface: one small seam through which all native calls go.
 */
import { DcoError } from "../core/errors.ts";
import { createFfiRs } from "./ffi-rs.ts";
import { createKoffi } from "./koffi.ts";
import { requireNative } from "./require.ts";
import type { Ffi } from "./types.ts";

export { errnoCode, errnoError, errnoName, errnoNumber } from "./errno.ts";
export * from "./types.ts";

const ADAPTERS = { koffi: createKoffi, "ffi-rs": createFfiRs };

const loaded = new Map<Ffi["name"], Ffi>();

/**
 * Loads a native interface: koffi, the dependency, or ffi-rs where it is installed.
 *
 * Nothing native is loaded before the first call; later calls give the same object.
 *
 * Errors: `unavailable` if the package or its binary for this platform is missing, with what to install.
 */
export function loadFfi(name: Ffi["name"] = "koffi"): Ffi {
  let ffi = loaded.get(name);
  if (!ffi) {
    const create = ADAPTERS[name];
    let library: unknown;
    try {
      library = requireNative(name);
    } catch (cause) {
      const reason = cause instanceof Error ? (cause.message.split("\n", 1)[0] as string) : String(cause);
      throw new DcoError("unavailable", `${name} does not load: ${reason}; ${remedy(name)}`, { cause });
    }
    ffi = create(library);
    loaded.set(name, ffi);
  }
  return ffi;
}

function remedy(name: Ffi["name"]): string {
  if (name === "ffi-rs") return "install it with `npm install ffi-rs`";
  const { platform, arch } = process;
  return (
    `its binary is the optional package @koromix/koffi-${platform}-${arch}, so install without ` +
    "--omit=optional, on the platform that runs it, and keep koffi out of bundles (external)"
  );
}
