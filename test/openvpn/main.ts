/**
 * Real OpenVPN, observed by dcokit: a server with two clients that hand their data channel to the kernel, over UDP
 * and over TCP. Run in a virtual machine by ci/openvpn/run. Exit status 1 if a check failed or none was run.
 */
import { release } from "node:os";
import { parseArgs } from "node:util";
import { Network } from "../conformance/linux/network.ts";
import { Checks } from "./checks.ts";
import { checkCounters } from "./counters.ts";
import { checkDeleted, checkEnds } from "./ends.ts";
import type { Protocol } from "./openvpn.ts";
import { checkPresent } from "./present.ts";
import { openScene, type Scene } from "./scene.ts";
import { Stage } from "./stage.ts";

/** Lines of the server's log that are shown. */
const LOG_LINES = 60;

const { values } = parseArgs({
  options: {
    version: { type: "string", default: "" },
    openvpn: { type: "string", default: "openvpn" },
    openssl: { type: "string", default: "openssl" },
  },
});

async function main(): Promise<number> {
  console.log(`# kernel ${release()}`);
  console.log(`# OpenVPN ${values.version}`);
  const checks = new Checks();
  const network = await Network.create();
  try {
    for (const protocol of ["udp", "tcp"] as const) {
      await onStage(checks, network, protocol, async (scene) => {
        await checkPresent(checks, scene);
        await checkCounters(checks, scene);
        await checkEnds(checks, scene);
      });
    }
    await onStage(checks, network, "udp", (scene) => checkDeleted(checks, scene));
  } finally {
    await network.close();
  }
  return checks.conclude();
}

/** Runs checks on OpenVPN's processes of their own. */
async function onStage(
  checks: Checks,
  network: Network,
  protocol: Protocol,
  run: (scene: Scene) => Promise<void>,
): Promise<void> {
  checks.topic = protocol;
  try {
    const stage = await Stage.open(network, values, protocol, ["client1", "client2", "client3"]);
    const failed = checks.failed;
    try {
      await observe(stage, run);
    } finally {
      if (checks.failed > failed) showLog(stage);
      await stage.close();
    }
  } catch (error) {
    checks.fail("OpenVPN comes up, and nothing of it is left", error);
  }
}

async function observe(stage: Stage, run: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = await openScene(stage);
  const { info, capabilities } = scene.driver;
  console.log(`# ${stage.protocol}: ${info.module} ${info.version}, floats: ${capabilities.floatEvent}`);
  try {
    await run(scene);
  } finally {
    await scene.driver.close();
  }
}

/** The end of what the server said, for whoever has to find out why a check failed. */
function showLog({ server }: Stage): void {
  for (const line of server.log().slice(-LOG_LINES)) console.log(`# server: ${line}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.log(`Bail out! ${error instanceof Error ? error.message : String(error)}`);
  console.error(error);
  process.exitCode = 1;
}
