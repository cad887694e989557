/**
 * The module that the Linux kernel has, its own or `ovpn-dco-v2`, as a subject of the suite.
 */
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import type { TransportProtocol } from "../../../src/core/model.ts";
import { openDriver } from "../../../src/index.ts";
import type { Subject } from "../world.ts";
import { run } from "./command.ts";
import { Network } from "./network.ts";
import { LinuxWorld, type OpenLinux } from "./world.ts";

/** Who puts netlink sockets into the event loop; see `openDriver`. */
export type EventTransport = "auto" | "netlink" | "ffi";

/** Another way of running cases. */
export interface Variant {
  readonly name?: string | undefined;
  /** What tunnels are made of. Default UDP. */
  readonly protocol?: TransportProtocol;
}

/** Opens the subject. Fails with what is missing: root, programs, or the module. */
export async function openLinuxSubject(
  eventTransport: EventTransport,
  { name: variant, protocol = "udp" }: Variant = {},
): Promise<Subject> {
  if (process.platform !== "linux") throw new Error(`the subject linux needs Linux, not ${process.platform}`);
  if (process.getuid?.() !== 0) throw new Error("the subject linux needs root");
  for (const program of ["ip", "nsenter", "ping"]) {
    await run("sh", ["-c", `command -v ${program}`]).catch(() => {
      throw new Error(`the subject linux needs the program ${program}`);
    });
  }
  const open: OpenLinux = (options) => openDriver({ eventTransport, ...options });
  const probe = await open();
  const { info, capabilities } = probe;
  await probe.close();
  const network = await Network.create();
  return {
    name: info.backend,
    version: `${info.module} ${info.version}`,
    capabilities,
    description: [
      `kernel ${release()} on ${process.arch}, module ${info.module} ${info.version}${accelerated()}`,
      `chosen because: ${info.reason}`,
      `Node ${process.versions.node}, event transport ${eventTransport}`,
    ],
    ...(variant !== undefined && { variant }),
    open: async () => new LinuxWorld(network, await open(), open, protocol),
    leftovers: () => network.takeInterfaces(),
    close: () => network.close(),
  };
}

/** Whether the machine is emulated, as its processor says. */
function accelerated(): string {
  const info = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  return /QEMU TCG/.test(info) ? ", emulated processor" : "";
}
