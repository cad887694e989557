/**
 * FreeBSD's `if_ovpn` as a subject of the suite.
 */
import { execFileSync } from "node:child_process";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import type { DcoDriver } from "../../../src/core/contract.ts";
import { openDriver } from "../../../src/index.ts";
import { run } from "../linux/command.ts";
import type { Subject } from "../world.ts";
import { Network } from "./network.ts";
import { FreebsdWorld } from "./world.ts";

const MODULE = "if_ovpn";

/** The setting of each network stack that makes the kernel drop replayed packets. */
const REPLAY_PROTECTION = "net.link.openvpn.replay_protection";

/** The sites, and what was found out on the way. */
export interface FreebsdSites {
  readonly network: Network;
  /** Module and version, as the driver says. */
  readonly version: string;
  readonly capabilities: Capabilities;
  readonly description: readonly string[];
  open(): Promise<DcoDriver>;
  leftovers(): Promise<string[]>;
  /** Unloads the module if it was not there before. Fails if that left something of it behind. */
  close(): Promise<void>;
}

/**
 * Makes the sites. Fails with what is missing: root, programs, or the module.
 *
 * @param guard whether the kernel is to drop replayed packets
 */
export async function openFreebsdSites(guard: boolean): Promise<FreebsdSites> {
  if (process.platform !== "freebsd")
    throw new Error(`the subject freebsd needs FreeBSD, not ${process.platform}`);
  if (process.getuid?.() !== 0) throw new Error("the subject freebsd needs root");
  // Bun duplicates the descriptor of a standard stream when it is first used, and that is no leak of a case's.
  for (const stream of [process.stdout, process.stderr]) void stream.isTTY;
  execFileSync("true", { stdio: ["ignore", "pipe", "inherit"] });
  const open = () => openDriver({ backend: "freebsd" });
  const wasLoaded = isLoaded();
  const setting = `${REPLAY_PROTECTION}=${guard ? 1 : 0}`;
  // The module has to be there for its setting.
  await (await open()).close();
  await run("sysctl", [setting]);
  const probe = await open();
  const { info, capabilities } = probe;
  await probe.close();
  const network = await Network.create();
  for (const site of network.sites) await network.at(site).run(`sysctl ${setting}`);
  const kernel = (await run("uname", ["-sriK"])).trim();
  const { bun, node } = process.versions;
  return {
    network,
    version: `${info.module} ${info.version}`,
    capabilities,
    description: [
      `kernel ${kernel}, module ${info.module}`,
      `chosen because: ${info.reason}`,
      bun === undefined ? `Node ${node}` : `Bun ${bun}`,
    ],
    open,
    async leftovers() {
      const found: string[] = [];
      for (const site of network.sites) {
        for (const left of await network.interfacesAt(site)) {
          found.push(`interface ${left} at ${site.name}`);
          await network.at(site).run(`ifconfig ${left} destroy`);
        }
      }
      return found;
    },
    async close() {
      await network.close();
      if (!wasLoaded) await unload();
    },
  };
}

function isLoaded(): boolean {
  try {
    execFileSync("kldstat", ["-q", "-n", MODULE]);
    return true;
  } catch {
    return false;
  }
}

/** The kernel then says how much memory the module has not freed. */
async function unload(): Promise<void> {
  await run("kldunload", [MODULE]);
  const leaked = (await run("sysctl", ["-n", "kern.msgbuf"])).match(/^.*memory type ovpn leaked.*$/gm);
  if (leaked) throw new Error(`the module left something behind: ${leaked.at(-1)}`);
}

/**
 * Opens the subject.
 *
 * @param variant cases are run once more with the kernel's guard against replays on, which is off by default
 */
export async function openFreebsdSubject(variant?: "replay protection"): Promise<Subject> {
  const { network, ...facts } = await openFreebsdSites(variant !== undefined);
  return {
    name: "freebsd",
    ...facts,
    ...(variant !== undefined && { variant }),
    open: async () => new FreebsdWorld(network, await facts.open(), facts.open),
  };
}
