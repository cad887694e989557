/**
 * The steps that build the VPN.
 */
import { randomBytes } from "node:crypto";
import { type LinuxDriver, openLinuxDriver } from "../../src/linux/index.ts";
import { Client } from "./client.ts";
import { run } from "./command.ts";
import { Lab, removeLeftovers } from "./lab.ts";
import { PORT, Server } from "./server.ts";
import { type Stage, type Vpn, verify } from "./stage.ts";

/** Opens the driver. Where the kernel has no DCO its error says what to install. */
export function openDriver({ report, undo }: Stage): Promise<LinuxDriver> {
  return report.step("Ask the kernel for DCO", async (say) => {
    const driver = await openLinuxDriver();
    undo("the driver", () => driver.close());
    const { module, kernel } = driver.info;
    say(`module ${module} of Linux ${kernel}; ciphers: ${driver.capabilities.ciphers.join(", ")}`);
    return driver;
  });
}

export function createNetwork({ report, undo, signal, options }: Stage): Promise<Lab> {
  return report.step("Make a network: a server and two clients, each in a namespace", async (say) => {
    verify(process.getuid?.() === 0, "this needs root");
    // Its absence would be hard to tell from inside a namespace.
    await run(["ping", "-V"], signal);
    const leftovers = await removeLeftovers();
    const lab = new Lab(options.outer);
    undo("three namespaces", () => lab.remove());
    await lab.create(signal);
    const addresses = lab.hosts.map(({ name, outer }) => `${name} ${outer}`).join(", ");
    const removed = leftovers.length > 0 ? `; removed ${leftovers.length} that a killed demo had left` : "";
    say(`${addresses}${removed}`);
    return lab;
  });
}

/** The server, two clients with different ciphers, and their handshakes. */
export async function connect(stage: Stage, driver: LinuxDriver, lab: Lab): Promise<Vpn> {
  const { report, events, fail, signal, undo } = stage;
  // What TLS would negotiate is known to all from the start.
  const secret = randomBytes(32);

  const server = await report.step("Server: a multipeer interface and a UDP socket", async (say) => {
    const server = await Server.start(driver, lab.server, secret, lab.clients, fail);
    undo("the server's interface", () => server.dco.close());
    events.watch("server", server.dco).catch(fail);
    const [made] = await driver.listInterfaces({ namespace: lab.server.namespace });
    verify(made?.name === server.dco.name && made.up, "the kernel does not list it as up");
    say(`${made.name}, MTU ${made.mtu}, UDP ${lab.server.outer} port ${PORT}`);
    return server;
  });

  const clients = await report.step("Clients: a p2p interface and a UDP socket each", async (say) => {
    const [one, two] = lab.clients;
    const clients = [
      await Client.start(driver, one, lab.server, "aes-256-gcm"),
      await Client.start(driver, two, lab.server, "chacha20-poly1305"),
    ] as const;
    for (const { host, dco } of clients) {
      undo(`${host.name}'s interface`, () => dco.close());
      events.watch(host.name, dco).catch(fail);
    }
    say(clients.map(({ host, dco, cipher }) => `${host.name}: ${dco.name}, ${cipher}`).join("; "));
    return clients;
  });

  const vpn: Vpn = { driver, lab, server, clients };
  await report.step("Handshake (NOT secure: a shared secret stands in for TLS)", async (say) => {
    await Promise.all(clients.map((client) => client.connect(secret, signal)));
    const peers = await server.dco.peers();
    verify(peers.length === clients.length, `the server has ${peers.length} peers`);
    const { received, sent } = server.transport.counters;
    say(`${peers.length} peers with keys; the server received ${received} control packets and sent ${sent}`);
  });
  return vpn;
}
