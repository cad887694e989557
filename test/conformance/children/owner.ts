/**
 * A process that adopts an interface and gives it peers, for cases in which it is killed.
 *
 * Arguments: a JSON object { namespace, name, address, peers }. Prints `ready` when the peers are there.
 */
import { openLinuxDriver } from "../../../src/linux/index.ts";

interface Order {
  readonly namespace: string;
  readonly name: string;
  /** Local address of the transport. */
  readonly address: string;
  readonly peers: readonly number[];
}

const { namespace, name, address, peers } = JSON.parse(process.argv[2] as string) as Order;
const driver = await openLinuxDriver();
const dco = await driver.adoptInterface(name, { namespace });
const transport = await dco.openTransport({ protocol: "udp", local: { address, port: 0 } });
for (const id of peers) {
  await dco.addPeer({ id, transport, remote: "192.0.2.99:1194", vpn: { ipv4: `10.8.0.${id}` } });
}
process.stdout.write("ready\n");
