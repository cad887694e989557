/**
 * What TUN devices of one driver share. Native code is loaded with the first of them.
 */
import { unsupported } from "../../core/errors.ts";
import { type WireTrace, WireTracer } from "../../core/trace.ts";
import { createBackgroundSender } from "../../ffi/background-sender.ts";
import { loadFfi } from "../../ffi/index.ts";
import { createPosix } from "../../ffi/posix.ts";
import { Contexts, NetworkContext, type System } from "../../netlink/context.ts";
import { EVENT_BUFFER_BYTES } from "../../netlink/event-socket.ts";
import { TUN_RIGHT } from "./device.ts";

/** See the module's comment. */
export interface TunSystem {
  readonly system: System;
  readonly contexts: Contexts<NetworkContext>;
}

/** Errors: `unavailable` (no native calls), `unsupported`. */
export function openTunSystem(trace: WireTrace | undefined): TunSystem {
  const ffi = loadFfi();
  if (!ffi.features.fdWatcher) {
    throw unsupported("ffi.fdWatcher", "a TUN device has to be watched", { effect: "none" });
  }
  const posix = createPosix(ffi);
  const system: System = {
    ffi,
    posix,
    tracer: new WireTracer(trace),
    eventTransport: "ffi",
    eventBuffer: EVENT_BUFFER_BYTES,
    background: createBackgroundSender(ffi),
  };
  const user = { backend: "userspace", neededRight: TUN_RIGHT };
  return {
    system,
    contexts: new Contexts(posix, (namespace) => new NetworkContext(system, user, namespace)),
  };
}
