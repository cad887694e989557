/**
 * The plain runner of the Windows cases, for node.exe: `run.mjs [--filter TEXT]`. Prints TAP and a closing line; exit
 * status 1 if a case failed or none was run. It is bundled first: see ci/wine.
 */
import { inspect, parseArgs } from "node:util";
import { CASE_TIMEOUT_MS, type Case } from "./case.ts";
import { controlCases } from "./cases/control.ts";
import { hostileCases } from "./cases/hostile.ts";
import { keyCases } from "./cases/keys.ts";
import { measuredCases } from "./cases/measured.ts";
import { multipeerCases } from "./cases/multipeer.ts";
import { p2pCases } from "./cases/p2p.ts";
import { packetCases } from "./cases/packets.ts";
import { statisticsCases } from "./cases/statistics.ts";
import { runChild } from "./children.ts";

const CASES: readonly Case[] = [
  ...measuredCases,
  ...p2pCases,
  ...keyCases,
  ...packetCases,
  ...multipeerCases,
  ...statisticsCases,
  ...controlCases,
  ...hostileCases,
];

async function attempt({ run, timeoutMs = CASE_TIMEOUT_MS }: Case): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not end within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([run(), late]);
    return undefined;
  } catch (error) {
    return error ?? new Error("it threw nothing");
  } finally {
    clearTimeout(timer);
  }
}

async function main(filter: string): Promise<number> {
  const cases = CASES.filter(({ group, name }) => `${group}: ${name}`.includes(filter));
  let failed = 0;
  console.log("TAP version 14");
  for (const [index, each] of cases.entries()) {
    const began = performance.now();
    const error = await attempt(each);
    if (error !== undefined) failed++;
    const time = Math.round(performance.now() - began);
    const outcome = error === undefined ? "ok" : "not ok";
    console.log(`${outcome} ${index + 1} - ${each.group}: ${each.name} # time=${time}ms`);
    if (error !== undefined) console.log(`  ---\n${inspect(error).replace(/^/gm, "  ")}\n  ...`);
  }
  console.log(`1..${cases.length}`);
  console.log(`${cases.length - failed} passed, ${failed} failed, 0 skipped`);
  return failed > 0 || cases.length === 0 ? 1 : 0;
}

const { values } = parseArgs({
  options: { filter: { type: "string", default: "" }, child: { type: "string" }, path: { type: "string" } },
});
if (values.child !== undefined) await runChild(values.child, values.path as string);
else process.exitCode = await main(values.filter);
