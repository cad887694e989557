/**
 * `dcokit/backend`: for writers of another backend. What they implement, and what makes a driver of it.
 *
 * docs/write-a-backend.md shows the way; `dcokit/conformance` has the suite.
 */
import type { BackendDriver } from "../core/backend.ts";
import type { DcoDriver } from "../core/contract.ts";
import { CoreDriver } from "../core/driver.ts";

export type * from "../core/backend.ts";
export { MOST_AT_ONCE } from "../core/backend.ts";
export { invalid, unsupported } from "../core/errors.ts";
export { formatIp, parseIp } from "../core/ip.ts";
export type { Maybe } from "../core/maybe.ts";
export { errnoError, errnoNumber } from "../ffi/errno.ts";
export type { ErrnoSystem } from "../ffi/errno-names.ts";

/** The contract on top of a backend: validation, order, generations, key slots, events, abort and close. */
export function openBackend(backend: BackendDriver): DcoDriver {
  return new CoreDriver(backend);
}
