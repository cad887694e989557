/**
 * A process that ends by having nothing to do, while the kernel has something to tell it.
 *
 * Arguments: a JSON object { name, eventTransport }. Prints `created`.
 */
import { execFileSync } from "node:child_process";
import { openLinuxDriver } from "../../../src/linux/index.ts";
import type { EventTransport } from "../../../src/netlink/event-socket.ts";

const order = JSON.parse(process.argv[2] as string) as { name: string; eventTransport: EventTransport };
const driver = await openLinuxDriver({ eventTransport: order.eventTransport });
const dco = await driver.createInterface({ mode: "multipeer", name: order.name });
void dco.events().next();
process.stdout.write("created\n");
// The last JavaScript that runs: what the kernel says of this nobody can read any more.
process.on("exit", () => execFileSync("ip", ["link", "set", "dev", order.name, "up"]));
