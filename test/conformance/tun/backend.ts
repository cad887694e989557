/**
 * The userspace backend as if its interfaces could be nothing but TUN devices.
 */
import type { BackendDriver, BackendRules } from "../../../src/core/backend.ts";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import { LINUX_RULES } from "../../../src/linux/backend.ts";
import { namespaceProblem } from "../../../src/netlink/namespace.ts";
import { userspaceCapabilities } from "../../../src/userspace/capabilities.ts";
import type { Registry } from "../../../src/userspace/registry.ts";
import { PlacedBackend } from "../mixed/placed.ts";

const NAMESPACE = { namespace: namespaceProblem };

/** See the module's comment. */
export class TunBackend extends PlacedBackend implements BackendDriver {
  readonly capabilities: Capabilities = userspaceCapabilities({
    tun: true,
    tunDevice: true,
    nativeSockets: true,
    chacha20: true,
  });
  readonly rules: BackendRules = {
    interfaceNameProblem: LINUX_RULES.interfaceNameProblem,
    extras: { createInterface: NAMESPACE, adoptInterface: NAMESPACE, listInterfaces: NAMESPACE },
  };

  /**
   * @param registry shared by the drivers of a process
   * @param firstPacketId of its keys
   */
  constructor(registry: Registry, firstPacketId = 1) {
    super(createPosix(loadFfi()), "tun", { registry, firstPacketId });
  }
}
