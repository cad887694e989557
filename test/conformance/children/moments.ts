/**
 * When a process dies (see die.ts), and what it leaves.
 */

/** What of the interface is left: nothing; one without its name; one with its name; whatever it was at. */
export type Left = "nothing" | "unnamed" | "named" | "anything";

/** How the process ends: by SIGKILL, or with a status. */
interface Ending {
  readonly left: Left;
  readonly status?: number;
}

const moments = {
  "before the link is made": { left: "nothing" },
  "while the link is made": { left: "anything" },
  "after the link was made": { left: "unnamed" },
  "after the link has got its name": { left: "named" },
  "while it is configured": { left: "named" },
  "after a peer was added": { left: "named" },
  "while a peer is removed": { left: "named" },
  "while peers are added in bulk": { left: "named" },
  "while peers are removed in bulk": { left: "named" },
  "while it is closed": { left: "anything" },
  "by exit": { left: "named", status: 7 },
  "by an error that nobody handles": { left: "named", status: 1 },
  "by having nothing to do": { left: "named", status: 0 },
  "with everything open": { left: "named" },
} as const satisfies Record<string, Ending>;

export type Moment = keyof typeof moments;

export const MOMENTS: Readonly<Record<Moment, Ending>> = moments;
