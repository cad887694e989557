/**
 * The demo: a VPN server and two clients talk through this kernel's DCO, or with `--backend userspace` through none.
 * `--help` lists the options.
 *
 * Start reading in demo/main.ts and demo/kernel.ts; demo/set-up.ts shows how the VPN is built, demo/server.ts and
 * demo/client.ts are its ends, and demo/traffic.ts tries it out. demo/userspace.ts does it without a kernel.
 */
import { isEmulated } from "./demo/machine.ts";
import { type DemoOptions, HELP, parseOptions } from "./demo/options.ts";
import { endProcess } from "./demo/running.ts";

function readArguments(): DemoOptions {
  try {
    return parseOptions(process.argv.slice(2), isEmulated);
  } catch (error) {
    console.error(`demo: ${(error as Error).message}; --help lists the options`);
    process.exit(2);
  }
}

const options = readArguments();
if (options.help) console.log(HELP);
else {
  if (!options.json) console.log("dcokit is loaded from its TypeScript sources");
  // Not before: in an emulated machine this takes seconds.
  const { main } = await import("./demo/main.ts");
  endProcess(await main(options));
}
