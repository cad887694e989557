/**
 * What differs by operating system, where the kernel and the userspace backend talk to each other.
 */
import type { BackendDriver, Extras } from "../../../src/core/backend.ts";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import type { DcoDriver } from "../../../src/core/contract.ts";
import type { UserspaceBackend, UserspaceOptions } from "../../../src/userspace/backend.ts";
import type { ClosableWorld, Site, Sites } from "../world.ts";
import type { MixedWorld, MixedWorldParts } from "./world.ts";

/** The kernel's backend, and userspace backends whose sockets belong to a site. */
export interface MixedBackends {
  openKernel(): Promise<BackendDriver>;
  /** What tells, among the options of a call, which site it is about. */
  siteOf(extras: Extras): unknown;
  openUserspace(
    site: unknown,
    options: UserspaceOptions,
  ): Pick<UserspaceBackend, "createInterface" | "listInterfaces" | "deleteInterface">;
  readonly userspaceCapabilities: Capabilities;
}

/** Kernel, sites, and what a world is made of. */
export interface MixedPlatform {
  readonly version: string;
  readonly description: readonly string[];
  /** The server's first. */
  readonly sites: readonly Site[];
  readonly backends: MixedBackends;
  /** As those of a subject. */
  readonly isPartial?: boolean;
  readonly siteKinds?: Sites;
  readonly exceptions?: ReadonlyMap<string, string>;
  readonly stops?: ReadonlyMap<string, string>;
  makeWorld(driver: DcoDriver, parts: MixedWorldParts): ClosableWorld & MixedWorld;
  droppedAt: MixedWorldParts["droppedAt"];
  leftovers(): Promise<string[]>;
  close(): Promise<void>;
}
