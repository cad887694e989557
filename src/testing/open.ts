/**
 * A driver for tests.
 */
import type { BackendInterface, CreateInterfaceRequest } from "../core/backend.ts";
import { CoreDriver } from "../core/driver.ts";
import { invalid } from "../core/errors.ts";
import { UserspaceBackend } from "../userspace/backend.ts";
import { SYSTEM_CLOCK } from "../userspace/clock.ts";
import type { UserspaceDriver } from "../userspace/driver.ts";
import { Registry } from "../userspace/registry.ts";
import type { VirtualClock } from "./clock.ts";
import type { Faults } from "./faults.ts";

/** Highest packet id. */
const LAST_PACKET_ID = 0xffff_ffff;

/** Options of {@link openTestDriver}. */
export interface OpenTestDriverOptions {
  /** Default: real time. */
  readonly clock?: VirtualClock;
  /** Packet id that each key begins with, 1 to 2^32 - 1: close to the end `key-exhausted` comes soon. Default 1. */
  readonly firstPacketId?: number;
  readonly faults?: Faults;
}

/** The userspace backend, with faults of its own. */
class FaultyBackend extends UserspaceBackend {
  readonly #faults: Faults | undefined;

  constructor({ clock, firstPacketId = 1, faults }: OpenTestDriverOptions) {
    super({
      clock: clock ?? SYSTEM_CLOCK,
      firstPacketId,
      // Tests do not get in each other's way by names.
      registry: new Registry(),
      reason: "it was opened for a test",
    });
    this.#faults = faults;
  }

  override async createInterface(request: CreateInterfaceRequest): Promise<BackendInterface> {
    const dco = await super.createInterface(request);
    return this.#faults?.apply(dco) ?? dco;
  }
}

/**
 * Opens the userspace driver with the test's own time, packet ids and faults. Real sockets, real packets, real ciphers.
 *
 * Errors: `invalid`.
 */
export function openTestDriver(options: OpenTestDriverOptions = {}): UserspaceDriver {
  const { firstPacketId = 1 } = options;
  if (!Number.isInteger(firstPacketId) || firstPacketId < 1 || firstPacketId > LAST_PACKET_ID) {
    throw invalid("firstPacketId", `must be an integer from 1 to ${LAST_PACKET_ID}`, {
      operation: "openTestDriver",
    });
  }
  return new CoreDriver(new FaultyBackend(options)) as unknown as UserspaceDriver;
}
