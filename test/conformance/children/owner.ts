/**
 * A process that adopts an interface and gives it peers, for cases in which it is killed.
 *
 * Arguments: a JSON object { name, address, peers }. Prints `ready` when the peers are there.
 */
import { flushCompileCache } from "node:module";
import { openDriver } from "../../../src/index.ts";

interface Order {
  readonly name: string;
  /** Local address of the transport. */
  readonly address: string;
  readonly peers: readonly number[];
}

const { name, address, peers } = JSON.parse(process.argv[2] as string) as Order;
const driver = await openDriver();
flushCompileCache();
const dco = await driver.adoptInterface(name);
const transport = await dco.openTransport({ protocol: "udp", local: { address, port: 0 } });
for (const id of peers) {
  await dco.addPeer({ id, transport, remote: "192.0.2.99:1194", vpn: { ipv4: `10.8.0.${id}` } });
}
process.stdout.write("ready\n");
