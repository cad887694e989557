/**
 * From the kernel's event to the callback: dcokit and a C program listen to the same removals.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { DcoDriver } from "../src/index.ts";
import { allOk, peerOptions } from "./phases.ts";

const run = promisify(execFile);

/** Milliseconds between two removals, apart from what the kernel takes. */
const GAP_MS = 5;

/** Milliseconds that each event came to us later than to the C program (which may also be the later one). */
export async function eventDelays(driver: DcoDriver, program: string, count: number): Promise<number[]> {
  const dco = await driver.createInterface({ mode: "multipeer" });
  try {
    const transport = await dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" });
    allOk(await dco.addPeers(Array.from({ length: count }, (_, id) => peerOptions(id, transport))));
    const ours: bigint[] = [];
    const reading = (async () => {
      for await (const event of dco.events()) {
        if (event.type === "peer-deleted") ours.push(process.hrtime.bigint());
        if (ours.length === count) return;
      }
    })();
    const { stdout } = await run(program, ["events", String(dco.index), String(count), String(GAP_MS)]);
    await reading;
    const theirs = JSON.parse(stdout) as number[];
    return ours.map((at, i) => (Number(at) - (theirs[i] as number)) / 1e6);
  } finally {
    await dco.close();
  }
}
