/**
 * The kernel and the userspace backend, talking to each other: each is the other's judge.
 */

import { CoreDriver } from "../../../src/core/driver.ts";
import type { TransportProtocol } from "../../../src/core/model.ts";
import type { Case } from "../case.ts";
import { Network } from "../linux/network.ts";
import { openLinuxSubject } from "../linux/subject.ts";
import type { Subject } from "../world.ts";
import { MixedBackend } from "./backend.ts";
import type { Device } from "./placed.ts";
import { MixedWorld, type OpenMixed } from "./world.ts";

/** Groups of cases in which packets go from one end to the other. */
const GROUPS = [
  "control packets",
  "float",
  "keys",
  "peer settings",
  "peers",
  "protection",
  "rotation",
  "routes",
  "statistics",
  "transports",
];

/** What is about one end alone, or about links that Node cannot name from where it is. */
const NOT_HERE = [
  "link-local addresses work",
  "a transport at another site",
  "interfaces at different sites",
  "a local address that is in use",
  "a protocol that the driver does not carry",
];

export function isForBoth({ group, name }: Case): boolean {
  return GROUPS.includes(group) && !NOT_HERE.some((text) => name.startsWith(text));
}

/** @param userspace where the userspace backend is */
export async function openMixedSubject(
  userspace: "server" | "clients",
  device: Device,
  protocol: TransportProtocol,
  variant: string,
): Promise<Subject> {
  // Says what is missing, if something is.
  const linux = await openLinuxSubject("auto");
  await linux.close();
  const network = await Network.create();
  const at = network.sites.filter(({ name }) => (name === "server") === (userspace === "server"));
  const namespaces = at.map(({ namespace }) => namespace);
  const open: OpenMixed = async (firstPacketId) =>
    new CoreDriver(await MixedBackend.open(namespaces, device, firstPacketId));
  const probe = await open();
  const { capabilities } = probe;
  await probe.close();
  const names = at.map(({ name }) => name);
  return {
    name: "mixed",
    version: linux.version,
    capabilities,
    variant,
    description: [
      ...linux.description,
      `the userspace backend${device === "tun" ? " with TUN devices" : ""} is at ${names.join(", ")}, the kernel elsewhere`,
    ],
    open: async () => new MixedWorld(network, await open(), open, protocol, names, device),
    leftovers: () => network.takeInterfaces(),
    close: () => network.close(),
  };
}
