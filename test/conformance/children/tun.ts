/**
 * A process with a TUN device.
 *
 * Arguments: a JSON object { name }. Prints `made` and its index when it has the device, configured; or `refused` and a
 * JSON object { code, message, effect } if it cannot have one. Then waits to be killed.
 */
import { DcoError } from "../../../src/core/errors.ts";
import { openUserspaceDriver } from "../../../src/userspace/index.ts";

const { name } = JSON.parse(process.argv[2] as string) as { name: string };
const driver = await openUserspaceDriver();
try {
  const dco = await driver.createInterface({ mode: "multipeer", device: "tun", name });
  await dco.configure({ addresses: ["10.8.0.1/24", "fd00:8::1/64"], up: true, routes: ["10.66.0.0/16"] });
  process.stdout.write(`made ${dco.index}\n`);
  setInterval(() => {}, 1000);
} catch (error) {
  if (!DcoError.is(error)) throw error;
  const { code, message, effect } = error;
  process.stdout.write(`refused ${JSON.stringify({ code, message, effect })}\n`);
}
