/**
 * A process that lives, and ends by itself once it has closed what it opened.
 *
 * Arguments: a JSON object { name, address, port }. Prints `open`, the transport's port, when it has an interface
 * with a peer; closes everything when a control packet comes, and prints `closed`. Nothing but the transport
 * keeps it, and nothing makes it exit.
 */
import { flushCompileCache } from "node:module";
import { openDriver } from "../../../src/index.ts";
import { freshKey } from "../keys.ts";

const { name, address } = JSON.parse(process.argv[2] as string) as { name: string; address: string };
const driver = await openDriver();
flushCompileCache();
const dco = await driver.createInterface({ mode: "multipeer", name });
// A reader that never reads.
dco.events();
await dco.configure({ addresses: ["10.8.0.1/24"], up: true });
const transport = await dco.openTransport({ protocol: "udp", local: { address, port: 0 } });
await dco.addPeer({ id: 1, transport, remote: "192.0.2.99:1194", vpn: { ipv4: "10.8.0.2" } });
await dco.installKey(1, freshKey());
process.stdout.write(`open ${transport.local?.port}\n`);

await transport.packets().next();
const peers = (await dco.peers()).map(({ id }) => id);
await driver.close();
process.stdout.write(`closed ${JSON.stringify({ peers })}\n`);
