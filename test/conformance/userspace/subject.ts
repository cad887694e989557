/**
 * Backends whose interfaces are streams of packets as subjects of the suite: the userspace backend is one.
 */

import type { TransportProtocol } from "../../../src/core/model.ts";
import type { DatagramSockets } from "../../../src/userspace/udp-transport.ts";
import type { Subject } from "../world.ts";
import { type MakeHost, userspaceHost } from "./sites.ts";
import { UserspaceWorld } from "./world.ts";

/** The userspace backend takes the time from the suite: a second of keepalive takes 200 ms. */
const USERSPACE_HASTE = 5;

/** What is tried, and whom it talks to. */
export interface StreamSubjectOptions {
  /** For the report. */
  readonly name: string;
  /** The backend under test. */
  readonly host: MakeHost;
  /** Whom it talks to. Default: itself. `userspaceHost` is the userspace backend. */
  readonly peer?: MakeHost;
  /** Where the backend under test is, if it has a peer. Default: at the server; the peer is at the other sites. */
  readonly at?: "server" | "clients";
  /** What tunnels are made of. Default UDP. */
  readonly protocol?: TransportProtocol;
  /** How many times faster the hosts' clock goes than the real one. Default 1: a backend may ignore it. */
  readonly haste?: number;
  /** Added to the names of cases, where they are run in several ways. */
  readonly variant?: string | undefined;
}

/** Opens such a subject: all sites are in this process, on addresses of loopback. Nothing is needed for it. */
export async function openStreamSubject(options: StreamSubjectOptions): Promise<Subject> {
  const { name, host, peer = host, at = "server", protocol = "udp", haste = 1, variant } = options;
  const [server, clients] = at === "server" ? [host, peer] : [peer, host];
  const judged = at === "server" ? "server" : "client1";
  // Runs at the same time do not meet, and neither do the cases of one.
  const network = `127.${1 + (process.pid % 250)}`;
  let worlds = 0;
  let world: UserspaceWorld | undefined;
  const open = () => {
    const parts = {
      network: `${network}.${worlds++ % 256}`,
      protocol,
      haste,
      server,
      clients,
      judged,
    } as const;
    world = new UserspaceWorld(parts);
    return world;
  };
  const probe = open();
  const { info, capabilities } = probe.driver;
  if (capabilities.listeners.includes("tcp")) {
    // With the first listener Node opens a descriptor that it keeps.
    const dco = await probe.createInterface(probe.server, { mode: "p2p" });
    await (await dco.listen({ protocol: "tcp", local: "127.0.0.1:0" })).close();
  }
  await probe.close();
  return {
    name,
    version: info.version,
    capabilities,
    ...(variant !== undefined && { variant }),
    sites: { system: false, movable: false },
    description: [`${info.version}, ${info.kernel}, uid ${process.getuid?.() ?? "none"}`],
    open: async () => open(),
    leftovers: async () => (await world?.interfaces()) ?? [],
    close: async () => {},
  };
}

/** The userspace backend, talking to itself. */
export function openUserspaceSubject(
  protocol: TransportProtocol,
  variant?: string,
  sockets?: DatagramSockets,
): Promise<Subject> {
  return openStreamSubject({
    name: "userspace",
    host: (clock) => userspaceHost(clock, sockets),
    haste: USERSPACE_HASTE,
    protocol,
    variant,
  });
}
