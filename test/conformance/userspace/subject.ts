/**
 * The userspace backend as a subject of the suite.
 */

import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { CoreDriver } from "../../../src/core/driver.ts";
import type { TransportProtocol } from "../../../src/core/model.ts";
import { UserspaceBackend } from "../../../src/userspace/backend.ts";
import type { DatagramSockets } from "../../../src/userspace/udp-transport.ts";
import type { Subject } from "../world.ts";
import { UserspaceWorld } from "./world.ts";

const ONLY_LOOPBACK = "127.0.0.1";

/** What this system makes of addresses of loopback; Wine sends from 127.0.0.1, whatever a socket is bound to. */
async function tryLoopback(): Promise<{ wide: boolean; bindsAnywhere: boolean }> {
  const receiver = createSocket("udp4");
  const sender = createSocket("udp4");
  const foreign = createSocket("udp4");
  try {
    receiver.bind(0, ONLY_LOOPBACK);
    await once(receiver, "listening");
    sender.bind(0, "127.9.9.9");
    sender.on("error", () => {});
    const received = once(receiver, "message", { signal: AbortSignal.timeout(1000) });
    sender.send("?", receiver.address().port, ONLY_LOOPBACK);
    const wide = await received.then(
      ([, from]) => (from as RemoteInfo).address === "127.9.9.9",
      () => false,
    );
    foreign.bind(0, "192.0.2.99");
    const bindsAnywhere = await once(foreign, "listening").then(
      () => true,
      () => false,
    );
    return { wide, bindsAnywhere };
  } finally {
    for (const socket of [receiver, sender, foreign]) socket.close();
  }
}

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
  const loopback = await tryLoopback();
  // Runs at the same time do not meet, and neither do the cases of one.
  const network = `127.${1 + (process.pid % 250)}`;
  let worlds = 0;
  let world: UserspaceWorld | undefined;
  return {
    name: info.backend,
    version: info.version,
    capabilities,
    ...(variant !== undefined && { variant }),
    sites: { system: false, movable: false, bindsAnywhere: loopback.bindsAnywhere },
    description: [`${info.version}, ${info.kernel}, uid ${process.getuid?.() ?? "none"}`],
    async open() {
      const ours = `${network}.${worlds++ % 256}`;
      world = new UserspaceWorld(
        (last) => (loopback.wide ? `${ours}.${last}` : ONLY_LOOPBACK),
        protocol,
        sockets,
      );
      return world;
    },
    leftovers: async () => world?.interfaces ?? [],
    close: async () => {},
  };
}
