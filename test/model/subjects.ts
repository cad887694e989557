/**
 * What is compared: the userspace backend, and the kernel where there is one.
 */
import { CoreDriver } from "../../src/core/driver.ts";
import { DcoError } from "../../src/core/errors.ts";
import { openDriver } from "../../src/index.ts";
import { UserspaceBackend } from "../../src/userspace/backend.ts";
import { Registry } from "../../src/userspace/registry.ts";
import { Network } from "../conformance/linux/network.ts";
import { fastClock } from "../conformance/userspace/clock.ts";
import type { ModelSubject } from "./agreement.ts";

/** Keepalives that expire need not be waited for as long; those that do not have minutes left. */
const CLOCK = fastClock(5);

export function userspaceSubject(): ModelSubject {
  let registry = new Registry();
  const { info } = new UserspaceBackend();
  return {
    name: "userspace",
    version: info.version,
    async open() {
      registry = new Registry();
      return { driver: new CoreDriver(new UserspaceBackend({ registry, clock: CLOCK })), extras: {} };
    },
    leftovers: async () => registry.all().map(({ name }) => `interface ${name}`),
    close: async () => {},
  };
}

/** The kernel's module, at one site of the suite's network; or why there is none. */
export async function linuxSubject(): Promise<ModelSubject | string> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "that takes Linux and root";
  const open = () => openDriver({ backend: "linux" });
  let version: string;
  try {
    const probe = await open();
    version = `${probe.info.module} ${probe.info.version}`;
    await probe.close();
  } catch (error) {
    if (DcoError.is(error)) return error.message;
    throw error;
  }
  const network = await Network.create();
  const [site] = network.sites as [(typeof network.sites)[number]];
  return {
    name: "linux",
    version,
    open: async () => ({ driver: await open(), extras: site.extras }),
    async leftovers() {
      const left = network.interfacesAt(site);
      for (const name of left) await network.at(site).run(`ip link del ${name}`);
      return left.map((name) => `interface ${name}`);
    },
    close: () => network.close(),
  };
}
