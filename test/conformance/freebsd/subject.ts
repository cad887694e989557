/**
 * FreeBSD's `if_ovpn` as a subject of the suite.
 */
import { execFileSync } from "node:child_process";
import { openDriver } from "../../../src/index.ts";
import { run } from "../linux/command.ts";
import type { Subject } from "../world.ts";
import { Network } from "./network.ts";
import { FreebsdWorld } from "./world.ts";

/** The setting of each network stack that makes the kernel drop replayed packets. */
const REPLAY_PROTECTION = "net.link.openvpn.replay_protection";

/**
 * Opens the subject. Fails with what is missing: root, programs, or the module.
 *
 * @param variant cases are run once more with the kernel's guard against replays on, which is off by default
 */
export async function openFreebsdSubject(variant?: "replay protection"): Promise<Subject> {
  if (process.platform !== "freebsd")
    throw new Error(`the subject freebsd needs FreeBSD, not ${process.platform}`);
  if (process.getuid?.() !== 0) throw new Error("the subject freebsd needs root");
  // Bun duplicates the descriptor of a standard stream when it is first used, and that is no leak of a case's.
  for (const stream of [process.stdout, process.stderr]) void stream.isTTY;
  execFileSync("true", { stdio: ["ignore", "pipe", "inherit"] });
  const open = () => openDriver({ backend: "freebsd" });
  const guard = variant === undefined ? 0 : 1;
  // The module has to be there for its setting.
  await (await open()).close();
  await run("sysctl", [`${REPLAY_PROTECTION}=${guard}`]);
  const probe = await open();
  const { info, capabilities } = probe;
  await probe.close();
  const network = await Network.create();
  for (const site of network.sites) await network.at(site).run(`sysctl ${REPLAY_PROTECTION}=${guard}`);
  const version = (await run("uname", ["-sriK"])).trim();
  const { bun, node } = process.versions;
  return {
    name: info.backend,
    version: `${info.module} ${info.version}`,
    capabilities,
    description: [
      `kernel ${version}, module ${info.module}`,
      `chosen because: ${info.reason}`,
      bun === undefined ? `Node ${node}` : `Bun ${bun}`,
    ],
    ...(variant !== undefined && { variant }),
    open: async () => new FreebsdWorld(network, await open(), open),
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
    close: () => network.close(),
  };
}
