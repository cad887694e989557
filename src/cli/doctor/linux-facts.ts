/**
 * What the doctor on Linux asks of the machine. Nothing is changed, but that asking for the module's family loads it.
 */
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { arch, release } from "node:os";
import type { DcoDriver } from "../../core/contract.ts";
import { DcoError } from "../../core/errors.ts";
import type { Opened } from "./checks.ts";
import type { LinuxFacts, ModuleFacts } from "./linux.ts";

/** Bit of CAP_NET_ADMIN (linux/capability.h). */
const NET_ADMIN = 12n;

const INITIAL_USER = 0xef_ff_ff_fd;

/** Finds the facts. @param open opens the driver */
export async function linuxFacts(
  open: () => Promise<DcoDriver>,
  koffi: string | undefined,
  signal: AbortSignal,
): Promise<LinuxFacts> {
  // First of all: it loads the module, where it can be loaded.
  const { opened, leftovers } = await ask(open, signal);
  signal.throwIfAborted();
  const status = read("/proc/self/status") ?? "";
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  const list = moduleList();
  return {
    node: process.versions.node,
    koffi,
    release: release(),
    ovpn: moduleFacts("ovpn", list),
    legacy: moduleFacts("ovpn_dco_v2", list),
    first: moduleFacts("ovpn_dco", list),
    modulesKnown: list !== undefined,
    opened,
    effectiveUser: process.geteuid?.() ?? -1,
    netAdmin: effective === undefined ? undefined : ((BigInt(`0x${effective}`) >> NET_ADMIN) & 1n) === 1n,
    initialUserNamespace: inInitialUserNamespace(),
    architecture: arch(),
    processor: processorFlags(),
    leftovers,
  };
}

async function ask(
  open: () => Promise<DcoDriver>,
  signal: AbortSignal,
): Promise<{ opened: Opened; leftovers: string[] | undefined }> {
  try {
    const driver = await open();
    const { module, version, reason } = driver.info;
    const list = await driver.listInterfaces({ signal }).catch(() => undefined);
    const leftovers = list
      ?.filter(({ owner }) => owner !== undefined && !owner.alive)
      .map(({ name }) => name);
    return { opened: { module, version, reason }, leftovers };
  } catch (error) {
    const code = DcoError.is(error) ? error.code : "system";
    return { opened: { code, message: (error as Error).message }, leftovers: undefined };
  }
}

/**
 * Its map is of all users to themselves. Another can have that too, so its number is looked at, which is the same in every
 * kernel (PROC_USER_INIT_INO, linux/proc_ns.h).
 */
function inInitialUserNamespace(): boolean | undefined {
  const map = read("/proc/self/uid_map");
  if (map === undefined) return undefined;
  return /^\s*0\s+0\s+4294967295\s*$/.test(map) && (numberOf("user") ?? INITIAL_USER) === INITIAL_USER;
}

function numberOf(namespace: string): number | undefined {
  try {
    return Number(/\[(\d+)\]$/.exec(readlinkSync(`/proc/self/ns/${namespace}`))?.[1]);
  } catch {
    return undefined;
  }
}

/** The modules that this kernel can load, and those that are part of it; undefined where the lists are missing. */
function moduleList(): string | undefined {
  const folder = `/lib/modules/${release()}`;
  const lists = [read(`${folder}/modules.dep`), read(`${folder}/modules.builtin`)];
  return lists.every((list) => list === undefined) ? undefined : lists.join("\n");
}

/** File names have hyphens where the loaded module has underscores, or not. */
function moduleFacts(name: string, list: string | undefined): ModuleFacts {
  const file = new RegExp(`/${name.replaceAll("_", "[-_]")}\\.ko(\\.\\w+)?(:|$)`, "m");
  return {
    loaded: existsSync(`/sys/module/${name}`),
    installed: list !== undefined && file.test(list),
    version: read(`/sys/module/${name}/version`)?.trim(),
  };
}

function processorFlags(): string[] {
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(read("/proc/cpuinfo") ?? "")?.[1];
  return line?.trim().split(/\s+/) ?? [];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
