/**
 * Opens the userspace driver.
 */
import { CoreDriver } from "../core/driver.ts";
import type { WireTrace } from "../core/trace.ts";
import { UserspaceBackend } from "./backend.ts";
import type { UserspaceDriver } from "./driver.ts";

/** Options of {@link openUserspaceDriver}. */
export interface OpenUserspaceDriverOptions {
  /** Why it was chosen, as one sentence for `driver.info`. */
  readonly reason?: string | undefined;
  /** Takes the decoded messages to and from the kernel, about TUN devices. */
  readonly trace?: WireTrace | undefined;
}

/** Opens the driver that needs no kernel module and no privilege, typed with what it has besides. */
export async function openUserspaceDriver(
  options: OpenUserspaceDriverOptions = {},
): Promise<UserspaceDriver> {
  return new CoreDriver(new UserspaceBackend(options)) as unknown as UserspaceDriver;
}
