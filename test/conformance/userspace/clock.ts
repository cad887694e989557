/**
 * Time that goes faster, so that keepalives need not be waited for as long.
 */
import { type Clock, SYSTEM_CLOCK } from "../../../src/userspace/clock.ts";

/** Real milliseconds that a second takes. */
export const SECOND = 200;

const FASTER = 1000 / SECOND;

export const FAST_CLOCK: Clock = {
  now: () => SYSTEM_CLOCK.now() * FASTER,
  after: (milliseconds, task) => SYSTEM_CLOCK.after(milliseconds / FASTER, task),
  caughtUp: () => SYSTEM_CLOCK.caughtUp(),
};
