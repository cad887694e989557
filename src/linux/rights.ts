/**
 * Whether this process may use the kernel's module, before it tries.
 */
import { readFileSync } from "node:fs";

/** Bit of CAP_NET_ADMIN (linux/capability.h). */
const NET_ADMIN = 12n;

/** The map of the initial user namespace: all ids are themselves. */
const ALL_IDS = /^\s*0\s+0\s+4294967295\s*$/;

/** What the module's requests need and this process lacks; undefined if nothing, or if it cannot be told. */
export function missingRight(
  status: string | undefined = read("/proc/self/status"),
  uidMap: string | undefined = read("/proc/self/uid_map"),
): string | undefined {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status ?? "")?.[1];
  if (effective !== undefined && ((BigInt(`0x${effective}`) >> NET_ADMIN) & 1n) === 0n) {
    return "this process lacks CAP_NET_ADMIN";
  }
  if (uidMap === undefined || ALL_IDS.test(uidMap)) return undefined;
  return "CAP_NET_ADMIN is needed in the initial user namespace, and this process is in another";
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
