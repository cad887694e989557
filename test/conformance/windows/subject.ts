/**
 * The Windows backend as a subject of the suite: on the real driver, or on its simulator under Wine.
 */
import type { Subject } from "../world.ts";
import { Simulator } from "./simulator.ts";
import { openSubjectDriver, WindowsWorld } from "./world.ts";

/** What the suite takes for granted and this driver has in another way; docs/windows.md says how. */
const EXCEPTIONS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "an adapter keeps the name that Windows gave it": [
      "driver: interfaces without a name are numbered by themselves, also when created at the same time",
    ],
    "adapters have no mode until they are opened, and tell the link of their network card": [
      "driver: listInterfaces tells mode, MTU, state and owner",
    ],
    "one has to say the mode to open an adapter, and two cannot have it open": [
      "driver: closing the driver closes its interfaces and transports, and deletes what it created",
      "adopt: an adopting owner finds mode, peers and keys, and the traffic goes on",
      "adopt: adopting with peers flush removes them",
      "events: a peer that somebody else removes gives one peer-deleted, external; to him it is requested",
      "events: a burst of 1,000 removals by somebody else is delivered whole",
      "refusals: a peer that somebody else removed is not-found, for every verb, also before its event came",
    ],
    "the driver's largest MTU and control packet are 1500 bytes": [
      "configure: a tunnel carries packets as large as its MTU",
      "control packets: of all sizes arrive whole, up to the largest that the capabilities tell",
    ],
    "the link comes with the transport": [
      "configure: linkUp resolves at once in multipeer mode when the interface is up",
      "events: in multipeer mode the link is told up and down with the interface, whoever does it, once each",
    ],
    "the sites are on loopback, which is not bypassed": [
      "configure: bypass keeps the way to the server outside the tunnel, or is unsupported",
    ],
    "p2p transports do not know their local address: a packet of theirs tells it": [
      "control packets: go to a peer, to an address, or to the transport's remote",
      "control packets: are all that packets() gives: never data packets, with peers, without, and after the last was removed",
    ],
    "adapters are there before an interface and after it, and no more than there are": [
      "races: two drivers that create interfaces at the same time do not get in each other's way",
      "lifetimes: createInterface that is aborted under way leaves no interface",
      "lifetimes: closing the driver rejects what is in flight with closed, and leaves no interface of it",
    ],
    "a transport closes only with its interface": [
      "races: peers that are added while their transport closes do not outlive it",
    ],
    "a p2p transport reaches only its remote": [
      "peers: an id in use is exists, and so is a second peer in p2p mode; the first goes on",
    ],
    "the simulator moves no packets: waits for a real Windows machine": [
      "peer settings: keepalive of both ends keeps an idle tunnel alive",
    ],
    "the driver takes no two peers with one address": [
      "keys: the same key is refused for its direction in the life of the interface, for any peer and slot",
    ],
  }).flatMap(([why, names]) => names.map((name): [string, string] => [name, why])),
);

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
    isPartial: true,
    exceptions: EXCEPTIONS,
    description: [
      simulator ? "SIMULATOR of ovpn-dco-win: not the real driver" : "the real driver",
      `${info.module} ${info.version}, ${info.kernel}, node ${process.version}`,
    ],
    open: () => WindowsWorld.open(`127.${1 + (process.pid % 250)}.${worlds++ % 256}`, simulator),
    leftovers: async () => (simulator ? leftovers(simulator) : []),
    close: async () => simulator?.close(),
  };
}

/** What the driver still has of ours. */
async function leftovers(simulator: Simulator): Promise<string[]> {
  const found: string[] = [];
  for (const state of await simulator.states()) {
    const { openHandles, pendingReads, pendingAnswers, pendingNotifications, pendingConnects } = state;
    const { peers, sockets, routes } = state;
    const held = { openHandles, pendingReads, pendingAnswers, pendingNotifications, pendingConnects };
    for (const [what, count] of Object.entries({ ...held, peers, sockets, routes })) {
      if (count !== 0) found.push(`${what} of ${state.instance}: ${count}`);
    }
  }
  return found;
}
