/**
 * The command line on a real kernel. Run as root in a virtual machine by `npm run test:cli`.
 */
import { release } from "node:os";
import { parseArgs } from "node:util";
import { run } from "../conformance/linux/command.ts";
import { Network } from "../conformance/linux/network.ts";
import { Checks } from "../openvpn/checks.ts";
import { checkCommands } from "./commands.ts";
import { checkDoctor } from "./doctor.ts";

const { values } = parseArgs({ options: { only: { type: "string", default: "" } } });

async function main(): Promise<number> {
  console.log(`# kernel ${release()}`);
  const checks = new Checks();
  if (values.only !== "doctor") {
    if (await hasModule()) await commands(checks);
    else checks.skip("commands", "this kernel has no module ovpn");
  }
  if (values.only !== "commands") await checkDoctor(checks);
  return checks.conclude();
}

function hasModule(): Promise<boolean> {
  return run("modprobe", ["ovpn"]).then(
    () => true,
    () => false,
  );
}

async function commands(checks: Checks): Promise<void> {
  const network = await Network.create();
  try {
    await checkCommands(checks, network);
  } finally {
    await network.close();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.log(`Bail out! ${error instanceof Error ? error.message : String(error)}`);
  console.error(error);
  process.exitCode = 1;
}
