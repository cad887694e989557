/**
 * A process that removes all peers of an interface.
 *
 * Arguments: a JSON object { name }. Prints how many there were.
 */
import { openDriver } from "../../../src/index.ts";

const { name } = JSON.parse(process.argv[2] as string) as { name: string };
const driver = await openDriver();
const dco = await driver.adoptInterface(name);
const results = await dco.removePeers((await dco.peers()).map(({ id }) => id));
await driver.close();
process.stdout.write(`${results.filter(({ ok }) => ok).length}\n`);
