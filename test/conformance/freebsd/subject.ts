/**
 * FreeBSD's `if_ovpn` as a subject of the suite.
 */
import { openDriver } from "../../../src/index.ts";
import { run } from "../linux/command.ts";
import type { Subject } from "../world.ts";
import { Network } from "./network.ts";
import { FreebsdWorld } from "./world.ts";

/** Opens the subject. Fails with what is missing: root, programs, or the module. */
export async function openFreebsdSubject(): Promise<Subject> {
  if (process.platform !== "freebsd")
    throw new Error(`the subject freebsd needs FreeBSD, not ${process.platform}`);
  if (process.getuid?.() !== 0) throw new Error("the subject freebsd needs root");
  const open = () => openDriver({ backend: "freebsd" });
  const probe = await open();
  const { info, capabilities } = probe;
  await probe.close();
  const network = await Network.create();
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
