/**
 * Who made an interface: a mark in its description, and in its name until the description is set.
 *
 * The kernel takes a description only once the interface exists, so an interface is created under a name that holds
 * process id and start time: killed at any moment, a process leaves nothing that cannot be told to be its own. The
 * mark holds the mode too, which the kernel does not keep.
 */
import type { InterfaceMode, OwnerMarker } from "../core/model.ts";
import type { Sysctl } from "./sysctl.ts";

const MARK = /^dcokit pid=(\d+) start=(\d+) jailed=([01]) mode=(p2p|multipeer)$/;

/**
 * Four letters that every name of the cloner begins with, eight that hold process id and start, and the number that
 * the kernel appends. Letters only: the cloner takes the first digit for the beginning of the number.
 */
const BIRTH_NAME = /^ovpn([A-Za-z]{8})\d{1,3}$/;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Process ids are below it (PID_MAX). */
const PIDS = 100_000;
/** Seconds that eight letters have room for, beside the process id: some 17 years. */
const SECONDS = Math.floor(LETTERS.length ** 8 / PIDS);

/** What a description and a name tell. */
export interface Mark {
  readonly owner: OwnerMarker;
  /** Unknown where only the name tells. */
  readonly mode: InterfaceMode | undefined;
}

/** The mark of this process for an interface of this mode. */
export function ownMark(sysctl: Sysctl, mode: InterfaceMode): string {
  const start = sysctl.process(process.pid)?.start ?? 0n;
  return `dcokit pid=${process.pid} start=${start} jailed=${isJailed(sysctl) ? 1 : 0} mode=${mode}`;
}

/** The name under which this process creates an interface, without the number. */
export function birthName(sysctl: Sysctl): string {
  const seconds = Number((sysctl.process(process.pid)?.start ?? 0n) / 1_000_000n) % SECONDS;
  let rest = seconds * PIDS + process.pid;
  let letters = "";
  for (let n = 0; n < 8; n++) {
    letters += LETTERS[rest % LETTERS.length];
    rest = Math.floor(rest / LETTERS.length);
  }
  return `ovpn${letters}`;
}

/** What an interface's description and name say about who made it. */
export function readMark(sysctl: Sysctl, name: string, description: string | undefined): Mark | undefined {
  const marked = MARK.exec(description ?? "");
  if (marked) {
    const [, pid, start, jailed, mode] = marked as unknown as [string, string, string, string, InterfaceMode];
    const found = sysctl.process(Number(pid));
    const isThere = found !== undefined && !found.isZombie && String(found.start) === start;
    // A process outside of our jail cannot be looked up, so it is taken to live.
    const alive = isThere || (jailed === "0" && isJailed(sysctl));
    return { owner: { pid: Number(pid), startTime: start, alive }, mode };
  }
  const born = BIRTH_NAME.exec(name);
  if (!born) return undefined;
  let value = 0;
  for (const letter of [...(born[1] as string)].reverse())
    value = value * LETTERS.length + LETTERS.indexOf(letter);
  const pid = value % PIDS;
  const seconds = Math.floor(value / PIDS);
  const found = sysctl.process(pid);
  const isThere =
    found !== undefined && !found.isZombie && Number(found.start / 1_000_000n) % SECONDS === seconds;
  return { owner: { pid, startTime: String(seconds), alive: isThere || isJailed(sysctl) }, mode: undefined };
}

function isJailed(sysctl: Sysctl): boolean {
  return sysctl.readInt("security.jail.jailed") === 1;
}
