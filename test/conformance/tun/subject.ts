/**
 * The userspace backend with TUN devices as a subject of the suite.
 */
import { existsSync } from "node:fs";
import { release } from "node:os";
import { CoreDriver } from "../../../src/core/driver.ts";
import { DcoError } from "../../../src/core/errors.ts";
import type { TransportProtocol } from "../../../src/core/model.ts";
import { openUserspaceDriver } from "../../../src/userspace/index.ts";
import { Registry } from "../../../src/userspace/registry.ts";
import { run } from "../linux/command.ts";
import { Network } from "../linux/network.ts";
import type { Subject } from "../world.ts";
import { TunBackend } from "./backend.ts";
import { TunWorld } from "./world.ts";

/** Why there can be no TUN devices here; undefined if there can. */
export async function missingTun(): Promise<string | undefined> {
  if (process.platform !== "linux") return `TUN devices are for Linux, not ${process.platform}`;
  // Where nothing loads modules by itself the file is missing until somebody asks for it.
  if (!existsSync("/dev/net/tun")) await run("modprobe", ["tun"]).catch(() => {});
  const driver = await openUserspaceDriver();
  try {
    await (await driver.createInterface({ mode: "p2p", device: "tun" })).close();
    return undefined;
  } catch (error) {
    if (DcoError.is(error)) return `no TUN device can be made here: ${error.message}`;
    throw error;
  } finally {
    await driver.close();
  }
}

/** Opens the subject, where {@link missingTun} has found nothing. */
export async function openTunSubject(protocol: TransportProtocol, variant?: string): Promise<Subject> {
  const network = await Network.create();
  const registry = new Registry();
  const open = async () => new CoreDriver(new TunBackend(registry));
  const { info, capabilities } = await open();
  return {
    name: "tun",
    version: info.version,
    capabilities,
    ...(variant !== undefined && { variant }),
    description: [`kernel ${release()} on ${process.arch}`, `${info.version}, TUN devices`],
    open: async () => new TunWorld(network, await open(), open, protocol),
    leftovers: () => network.takeInterfaces(),
    close: () => network.close(),
  };
}
