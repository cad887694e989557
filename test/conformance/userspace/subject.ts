/**
 * The userspace backend as a subject of the suite.
 */

import { CoreDriver } from "../../../src/core/driver.ts";
import type { TransportProtocol } from "../../../src/core/model.ts";
import { UserspaceBackend } from "../../../src/userspace/backend.ts";
import type { DatagramSockets } from "../../../src/userspace/udp-transport.ts";
import type { Subject } from "../world.ts";
import { UserspaceWorld } from "./world.ts";

/** Opens the subject; nothing is needed for it. */
export async function openUserspaceSubject(
  protocol: TransportProtocol,
  variant?: string,
  sockets: DatagramSockets = "best",
): Promise<Subject> {
  const probe = new CoreDriver(new UserspaceBackend({ sockets }));
  const { info, capabilities } = probe;
  // With the first listener Node opens a descriptor that it keeps.
  const dco = await probe.createInterface({ mode: "p2p" });
  await (await dco.listen({ protocol: "tcp", local: "127.0.0.1:0" })).close();
  await probe.close();
  // Runs at the same time do not meet, and neither do the cases of one.
  const network = `127.${1 + (process.pid % 250)}`;
  let worlds = 0;
  let world: UserspaceWorld | undefined;
  return {
    name: info.backend,
    version: info.version,
    capabilities,
    ...(variant !== undefined && { variant }),
    sites: { system: false, movable: false },
    description: [`${info.version}, ${info.kernel}, uid ${process.getuid?.() ?? "none"}`],
    async open() {
      world = new UserspaceWorld(`${network}.${worlds++ % 256}`, protocol, sockets);
      return world;
    },
    leftovers: async () => world?.interfaces ?? [],
    close: async () => {},
  };
}
