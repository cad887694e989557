/**
 * What a peer costs this process: run alone (`node --expose-gc bench/memory.ts PEERS`), prints one JSON object.
 *
 * The first PEERS warm up code and buffers; what as many again add is counted.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { openDriver } from "../src/index.ts";
import { allOk, freshKeys, peerOptions } from "./phases.ts";

const peers = Number(process.argv[2]);
const driver = await openDriver();
const dco = await driver.createInterface({ mode: "multipeer" });
const transport = await dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" });

async function add(from: number, to: number): Promise<void> {
  const ids = Array.from({ length: to - from }, (_, i) => from + i);
  allOk(await dco.addPeers(ids.map((id) => peerOptions(id, transport))));
  for (const [id, slot] of (["primary", "secondary"] as const).entries()) {
    const keys = freshKeys(ids.length, slot, id);
    allOk(await dco.installKeys(ids.map((peer, i) => ({ peer, key: keys[i] as (typeof keys)[number] }))));
  }
}

async function settled(): Promise<NodeJS.MemoryUsage> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await sleep(20);
  }
  return process.memoryUsage();
}

await add(0, peers);
const before = await settled();
await add(peers, 2 * peers);
const after = await settled();
const perThousand = (field: "rss" | "heapUsed") => ((after[field] - before[field]) / peers) * 1000;
process.stdout.write(JSON.stringify({ rss: perThousand("rss"), heapUsed: perThousand("heapUsed") }));
await driver.close();
