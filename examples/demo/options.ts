/**
 * The demo's arguments.
 */
import { parseArgs } from "node:util";

export const HELP = `usage: demo [--backend kernel|userspace] [--outer 4|6] [--mib N] [--deadline SECONDS] [--keep | --json]

A VPN server and two clients, each in a network namespace of its own, talk through the kernel's OpenVPN
data channel offload (DCO). Needs root, a kernel with the module ovpn, and the commands ip and ping.

With --backend userspace they talk without a kernel module, within this process and over loopback. Needs no
privilege, and takes some seconds.

  --backend NAME      kernel (default) or userspace
  --outer 4|6         IP version outside the tunnel (default 4; inside there are always both)
  --mib N             size of the bulk transfers, 1 to 1024 MiB each way (default 4)
  --deadline SECONDS  give up after this long (default 120, in an emulated machine 300)
  --keep              when all is done leave everything up until Ctrl-C
  --json              print one JSON document at the end, and nothing else
  --help              print this

Exit status: 0 every step was verified; 1 a step failed; 2 wrong arguments; 130 stopped by Ctrl-C.`;

export interface DemoOptions {
  readonly help: boolean;
  readonly backend: "kernel" | "userspace";
  readonly outer: 4 | 6;
  readonly mib: number;
  readonly seconds: number;
  readonly keep: boolean;
  readonly json: boolean;
}

/** @param emulated the machine is slow, so the default deadline is longer. Errors: one sentence for a person. */
export function parseOptions(args: readonly string[], emulated: boolean): DemoOptions {
  const { values } = read(args);
  const { help = false, keep = false, json = false, outer = "4", backend = "kernel" } = values;
  if (backend !== "kernel" && backend !== "userspace")
    throw new Error(`--backend must be kernel or userspace, not '${backend}'`);
  if (outer !== "4" && outer !== "6") throw new Error(`--outer must be 4 or 6, not '${outer}'`);
  if (keep && json) throw new Error("--keep and --json do not go together");
  if (keep && backend === "userspace")
    throw new Error("--keep is for the kernel backend: nothing outlives this process");
  const mib = wholeNumber("--mib", values.mib ?? "4", 1024);
  const seconds = wholeNumber("--deadline", values.deadline ?? (emulated ? "300" : "120"), 86400);
  return { help, backend, outer: outer === "4" ? 4 : 6, mib, seconds, keep, json };
}

function read(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        backend: text,
        outer: text,
        mib: text,
        deadline: text,
        keep: flag,
        json: flag,
        help: { ...flag, short: "h" },
      },
    });
  } catch (error) {
    // Node adds advice for programmers after the first sentence.
    throw new Error((error as Error).message.split(/\.\s/)[0]?.replace(/\.?$/, ""));
  }
}

function wholeNumber(flag: string, value: string, max: number): number {
  const number = /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= 1 && number <= max) return number;
  throw new Error(`${flag} must be a whole number from 1 to ${max}, not '${value}'`);
}
