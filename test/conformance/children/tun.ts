/**
 * A process with a TUN device.
 *
 * Arguments: a JSON object { name, gives }. Prints `made` and its index when it has the device, configured; or `refused`
 * and a JSON object { code, message, effect } if it cannot have one. Then waits to be killed; or, if it `gives` its
 * right up, tries to change the device twice, closes it, and prints `lost` and a JSON object: the codes that it was
 * refused with, and how often it was told that the right is lost.
 */
import type { DcoInterface } from "../../../src/core/contract.ts";
import { DcoError } from "../../../src/core/errors.ts";
import { openUserspaceDriver } from "../../../src/userspace/index.ts";

const { name, gives = false } = JSON.parse(process.argv[2] as string) as { name: string; gives?: boolean };
const NOBODY = 65534;

async function giveUp(dco: DcoInterface): Promise<void> {
  const events = dco.events();
  process.setuid?.(NOBODY);
  const codes: string[] = [];
  for (const mtu of [1300, 1301]) {
    await dco.configure({ mtu }).catch((error: unknown) => codes.push(DcoError.is(error) ? error.code : "?"));
  }
  await driver.close();
  let told = 0;
  for await (const event of events) if (event.type === "permission-lost") told++;
  process.stdout.write(`lost ${JSON.stringify({ codes, told })}\n`);
}

const driver = await openUserspaceDriver();
try {
  const dco = await driver.createInterface({ mode: "multipeer", device: "tun", name });
  await dco.configure({ addresses: ["10.8.0.1/24", "fd00:8::1/64"], up: true, routes: ["10.66.0.0/16"] });
  process.stdout.write(`made ${dco.index}\n`);
  if (gives) await giveUp(dco);
  else setInterval(() => {}, 1000);
} catch (error) {
  if (!DcoError.is(error)) throw error;
  const { code, message, effect } = error;
  process.stdout.write(`refused ${JSON.stringify({ code, message, effect })}\n`);
}
