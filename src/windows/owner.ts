/**
 * Who made an adapter: a mark in the registry key of its device, written before the device comes to life. Killed at any
 * moment, a process leaves nothing that cannot be told to be its own.
 */
import type { OwnerMarker } from "../core/model.ts";
import type { WindowsSystem } from "./win32/system.ts";

const MARK = /^dcokit pid=(\d+) start=(\d+)$/;

/** The mark of this process. */
export function ownMark(system: Pick<WindowsSystem, "processStart">): string {
  return `dcokit pid=${process.pid} start=${system.processStart(process.pid) ?? 0n}`;
}

/** What a mark says; undefined for what is none. */
export function readMark(
  system: Pick<WindowsSystem, "processStart" | "isForeignProcess">,
  mark: string | undefined,
): OwnerMarker | undefined {
  const found = MARK.exec(mark ?? "");
  if (found === null) return undefined;
  const [, pid, startTime] = found as unknown as [string, string, string];
  // One that may not be seen is taken to live.
  const alive =
    String(system.processStart(Number(pid))) === startTime || system.isForeignProcess(Number(pid));
  return { pid: Number(pid), startTime, alive };
}
