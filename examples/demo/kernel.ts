/**
 * The demo on a kernel.
 */
import { connect, createNetwork, openDriver } from "./set-up.ts";
import type { Stage } from "./stage.ts";
import { readPeers, type Summary, summaryOf } from "./summary.ts";
import { bulk, pings, rotateKeys, silence } from "./traffic.ts";

/** All steps. Each throws if what it shows could not be verified. */
export async function show(stage: Stage): Promise<Summary> {
  const driver = await openDriver(stage);
  const lab = await createNetwork(stage);
  const vpn = await connect(stage, driver, lab);
  await pings(stage, vpn);
  await bulk(stage, vpn);
  await rotateKeys(stage, vpn);
  const before = await readPeers(vpn);
  await silence(stage, vpn);
  return summaryOf(driver.info, vpn, before);
}
