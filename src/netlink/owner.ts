/**
 * Who made an interface: a marker in its alias, and in its name until the alias is set.
 *
 * The kernel takes an alias only once the link exists. So a link is created under a name that holds process id
 * and start time, and gets alias and final name in one request: killed at any moment, a process leaves nothing
 * that cannot be told to be its own.
 */
import { readFileSync, readlinkSync } from "node:fs";
import type { OwnerMarker } from "../core/model.ts";

const ALIAS = /^dcokit pid=(\d+) start=(\d+) pidns=(\d+)$/;

/** `dk`, five digits of the process id, eight of the start time, in base 36: the 15 bytes of a name. */
const BIRTH_NAME = /^dk([0-9a-z]{5})([0-9a-z]{8})$/;

/** The alias that marks an interface as this process's. */
export function ownAlias(): string {
  return `dcokit pid=${process.pid} start=${startTime("self")} pidns=${pidNamespace()}`;
}

/** The name under which this process creates a link. */
export function birthName(): string {
  const start = Number(startTime("self"));
  return `dk${process.pid.toString(36).padStart(5, "0")}${start.toString(36).padStart(8, "0")}`;
}

/** What an interface's alias and name say about who made it. */
export function ownerOf(name: string, alias: string | undefined): OwnerMarker | undefined {
  const marked = ALIAS.exec(alias ?? "");
  if (marked) {
    const [, pid, start, pidns] = marked as unknown as [string, string, string, string];
    // A process of another pid namespace cannot be looked up, so it is taken to live.
    const alive = pidns !== pidNamespace() || startTime(pid) === start;
    return { pid: Number(pid), startTime: start, alive };
  }
  const born = BIRTH_NAME.exec(name);
  if (!born) return undefined;
  const pid = Number.parseInt(born[1] as string, 36);
  const start = String(Number.parseInt(born[2] as string, 36));
  return { pid, startTime: start, alive: startTime(String(pid)) === start };
}

/**
 * Start time of a process in clock ticks since boot (proc(5), field 22 of stat); undefined if there is none, or
 * only what its parent has not yet taken note of.
 */
function startTime(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the command in parentheses, and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie whose other threads live is none: its first thread has ended before them.
    const isOver = fields[0] === "Z" && Number(fields[17]) <= 1;
    return isOver ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function pidNamespace(): string {
  return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
}
