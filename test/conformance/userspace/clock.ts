/**
 * Time that goes faster, so that keepalives need not be waited for as long.
 */
import { type Clock, SYSTEM_CLOCK } from "../../../src/userspace/clock.ts";

/** @param haste how many times faster */
export function fastClock(haste: number): Clock {
  if (haste === 1) return SYSTEM_CLOCK;
  return {
    now: () => SYSTEM_CLOCK.now() * haste,
    after: (milliseconds, task) => SYSTEM_CLOCK.after(milliseconds / haste, task),
    caughtUp: () => SYSTEM_CLOCK.caughtUp(),
  };
}
