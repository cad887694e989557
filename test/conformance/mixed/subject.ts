/**
 * The kernel and the userspace backend, talking to each other: each is the other's judge.
 */

import { CoreDriver } from "../../../src/core/driver.ts";
import type { TransportProtocol } from "../../../src/core/model.ts";
import type { Case } from "../case.ts";
import type { Subject } from "../world.ts";
import { MixedBackend } from "./backend.ts";
import { openMixedFreebsd } from "./freebsd.ts";
import { openMixedLinux } from "./linux.ts";
import type { Device } from "./placed.ts";
import type { MixedPlatform } from "./platform.ts";
import { openMixedWindows } from "./windows.ts";

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
  const platform = await openPlatform(userspace, device, protocol);
  const userspaceAt = platform.sites.filter(({ name }) => (name === "server") === (userspace === "server"));
  const open = async (firstPacketId?: number) =>
    new CoreDriver(await MixedBackend.open(platform.backends, userspaceAt, firstPacketId));
  const probe = await open();
  const { capabilities } = probe;
  await probe.close();
  const makeWorld = async (firstPacketId?: number) => {
    const { droppedAt } = platform;
    const parts = { userspaceAt, device, open: () => open(), again: makeWorld, droppedAt };
    return platform.makeWorld(await open(firstPacketId), parts);
  };
  return {
    name: "mixed",
    version: platform.version,
    capabilities,
    ...(platform.isPartial && { isPartial: true }),
    ...(platform.siteKinds && { sites: platform.siteKinds }),
    ...(platform.exceptions && { exceptions: platform.exceptions }),
    ...(platform.stops && { stops: platform.stops }),
    variant,
    description: [
      ...platform.description,
      `the userspace backend${device === "tun" ? " with TUN devices" : ""} is at ${userspaceAt.map(({ name }) => name).join(", ")}, the kernel elsewhere`,
    ],
    open: () => makeWorld(),
    leftovers: () => platform.leftovers(),
    close: () => platform.close(),
  };
}

function openPlatform(
  userspace: "server" | "clients",
  device: Device,
  protocol: TransportProtocol,
): Promise<MixedPlatform> {
  if (process.platform === "freebsd") return openMixedFreebsd();
  return process.platform === "win32" ? openMixedWindows(userspace) : openMixedLinux(device, protocol);
}
