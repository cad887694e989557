/**
 * The steps that build the VPN.
 */
import { randomBytes } from "node:crypto";
import { type LinuxDriver, openLinuxDriver } from "../../src/linux/index.ts";
import { Client } from "./client.ts";
import { run } from "./command.ts";
import { handshake } from "./handshake.ts";
import { type Host, Lab, removeLeftovers } from "./lab.ts";
import { KEEPALIVE, MTU, PORT, Server } from "./server.ts";
import { type End, type Stage, type Vpn, verify } from "./stage.ts";

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
  const { report, events, fail, undo } = stage;
  // What TLS would negotiate is known to all from the start.
  const secret = randomBytes(32);

  const server = await report.step("Server: a multipeer interface and a UDP socket", async (say) => {
    const end = await serverEnd(driver, lab.server);
    const server = new Server(end, secret, lab.clients, KEEPALIVE, fail);
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
      new Client(await clientEnd(driver, one, lab.server), "aes-256-gcm", KEEPALIVE),
      new Client(await clientEnd(driver, two, lab.server), "chacha20-poly1305", KEEPALIVE),
    ] as const;
    for (const { host, dco } of clients) {
      undo(`${host.name}'s interface`, () => dco.close());
      events.watch(host.name, dco).catch(fail);
    }
    say(clients.map(({ host, dco, cipher }) => `${host.name}: ${dco.name}, ${cipher}`).join("; "));
    return clients;
  });

  await handshake(stage, { server, clients }, secret);
  return { driver, lab, server, clients };
}

async function serverEnd(driver: LinuxDriver, host: Host): Promise<End<Host>> {
  const dco = await driver.createInterface({ mode: "multipeer", namespace: host.namespace });
  const addresses = [`${host.vpn.ipv4}/24`, `${host.vpn.ipv6}/64`];
  await dco.configure({ addresses, mtu: MTU, up: true });
  const local = { address: host.outer, port: PORT };
  const transport = await dco.openTransport({ protocol: "udp", local });
  return { host, capabilities: driver.capabilities, dco, transport };
}

async function clientEnd(driver: LinuxDriver, host: Host, server: Host): Promise<End<Host>> {
  const dco = await driver.createInterface({ mode: "p2p", namespace: host.namespace });
  const remote = { address: server.outer, port: PORT };
  const transport = await dco.openTransport({ protocol: "udp", remote });
  return { host, capabilities: driver.capabilities, dco, transport };
}
