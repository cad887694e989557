/**
 * `ovpn-dco-win` and the userspace backend, on addresses of loopback: no socket of the driver's ever has another one of
 * the driver's, or itself, as its peer, which hangs a machine.
 */
import type { BackendDriver, ExtraRules, Extras } from "../../../src/core/backend.ts";
import type { CreateInterfaceOptions } from "../../../src/core/model.ts";
import { UserspaceBackend } from "../../../src/userspace/backend.ts";
import type { WindowsDriver } from "../../../src/windows/index.ts";
import { openWindowsBackend } from "../../../src/windows/open.ts";
import { tryLoopback } from "../userspace/loopback.ts";
import { DRIVER_EXCEPTIONS, EXCEPTIONS } from "../windows/lists.ts";
import { Simulator } from "../windows/simulator.ts";
import { leftoversOf, makeSites, WindowsWorld } from "../windows/world.ts";
import type { Site } from "../world.ts";
import type { MixedPlatform } from "./platform.ts";
import { withUserspace } from "./world.ts";

/** Sites of one world: which one a call is about, an option says. */
class SitedWorld extends WindowsWorld {
  override createInterface(site: Site, options: CreateInterfaceOptions) {
    return super.createInterface(site, { ...options, ...site.extras });
  }

  /** They all send to the userspace backend. */
  protected override mayFaceEachOther(): boolean {
    return true;
  }
}

/**
 * Fails with what is missing. The driver is in multi-peer mode at the server, and in p2p mode at clients.
 *
 * @param userspace where the userspace backend is
 */
export async function openMixedWindows(userspace: "server" | "clients"): Promise<MixedPlatform> {
  const simulator = await Simulator.open();
  const probe = await openKernel(simulator);
  const { info } = probe;
  await probe.close();
  const World = withUserspace(SitedWorld);
  const network = `127.${1 + (process.pid % 250)}.255`;
  const { addressOf, bindsAnywhere } = await tryLoopback();
  const sites = makeSites(network).map((site, at) => ({
    ...site,
    extras: { site: site.name } as object,
    ipv4: addressOf(network, at + 1),
  }));
  return {
    version: info.version,
    description: [
      simulator ? "SIMULATOR of ovpn-dco-win: not the real driver" : "the real driver",
      `${info.module} ${info.version}, ${info.kernel}, node ${process.version}`,
    ],
    sites,
    exceptions: userspace === "server" ? EXCEPTIONS : DRIVER_EXCEPTIONS,
    // On the simulator, which carries no packets of a tunnel, control packets are sent only: no such case stops. Nobody
    // has seen yet where cases stop on the real driver.
    ...(simulator ? { stops: new Map() } : { isPartial: true }),
    siteKinds: { system: false, movable: false, bindsAnywhere },
    backends: {
      openKernel: () => openKernel(simulator),
      siteOf: ({ site }: Extras) => site,
      openUserspace: (_site, options) => new UserspaceBackend(options),
      userspaceCapabilities: new UserspaceBackend().capabilities,
    },
    makeWorld: (driver, parts) =>
      new World(network, driver as unknown as WindowsDriver, simulator, sites).withParts(parts),
    async droppedAt() {
      throw new Error("nothing counts them");
    },
    leftovers: async () => (simulator ? leftoversOf(simulator) : []),
    close: async () => simulator?.close(),
  };
}

async function openKernel(simulator: Simulator | undefined): Promise<BackendDriver> {
  const kernel = await openWindowsBackend(simulator ? { isDriverPath: () => true } : {});
  const site: ExtraRules = { site: () => undefined };
  const { extras, ...rules } = kernel.rules;
  const verbs = ["createInterface", "adoptInterface", "listInterfaces", "openTransport", "listen"] as const;
  const sited = Object.fromEntries(verbs.map((verb) => [verb, { ...extras[verb], ...site }]));
  Object.defineProperty(kernel, "rules", { value: { ...rules, extras: sited } });
  if (simulator) {
    // Wine ends a process that asks it to install a device.
    const create = kernel.createInterface.bind(kernel);
    const existing = (given: Extras): Extras => ({ ...given, createAdapter: false });
    kernel.createInterface = (request) => create({ ...request, extras: existing(request.extras) });
  }
  return kernel;
}
