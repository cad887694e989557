/**
 * The Windows backend as a subject of the suite: on the real driver, or on its simulator under Wine.
 */
import type { Subject } from "../world.ts";
import { EXCEPTIONS, STOPS, WITHOUT_CARD } from "./lists.ts";
import { Simulator } from "./simulator.ts";
import { leftoversOf, openSubjectDriver, WindowsWorld } from "./world.ts";

/** Opens the subject. */
export async function openWindowsSubject(): Promise<Subject> {
  const simulator = await Simulator.open();
  const probe = await openSubjectDriver(simulator);
  const { info, capabilities } = probe;
  await probe.close();
  let worlds = 0;
  return {
    name: simulator ? "windows (simulator of the driver, under Wine)" : info.backend,
    version: info.version,
    capabilities,
    // Wine binds to any.
    sites: { system: false, movable: false, bindsAnywhere: simulator !== undefined },
    // Nobody has seen yet where they stop on the real driver.
    ...(simulator
      ? { exceptions: new Map([...EXCEPTIONS, ...WITHOUT_CARD]), stops: STOPS }
      : { exceptions: EXCEPTIONS, isPartial: true }),
    description: [
      simulator ? "SIMULATOR of ovpn-dco-win: not the real driver" : "the real driver",
      `${info.module} ${info.version}, ${info.kernel}, node ${process.version}`,
    ],
    open: () => WindowsWorld.open(`127.${1 + (process.pid % 250)}.${worlds++ % 256}`, simulator),
    leftovers: async () => (simulator ? leftoversOf(simulator) : []),
    close: async () => simulator?.close(),
  };
}
