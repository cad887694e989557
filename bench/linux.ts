/**
 * The bench on a Linux kernel with the module `ovpn`, as root: dcokit next to a C program, in turn.
 *
 *   node bench/linux.ts PROGRAM ROWS_FILE [--peers N] [--rounds N] [--warm-up N] [--singles N] [--removals N]
 */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { openDriver } from "../src/index.ts";
import { eventDelays } from "./events.ts";
import { watched } from "./loop.ts";
import { type Phase, runPhases } from "./phases.ts";
import { limitRow, loopRow, median, type Row, rateRow } from "./rows.ts";

/**
 * Rounds of so many peers come first and are not compared: a server that has been at work for a while is measured, and
 * under emulation V8 takes tens of thousands of calls to compile what runs often. The very first round has rows of its own.
 */
const WARM_UP_PEERS = 2000;
/** In each of the others what leaves the peers as they are is done so often. */
const WARM_UP_TIMES = 5;

/** The idle loop is watched so long before each round. */
const IDLE_MS = 2000;
const EVENTS = 100;
const MEGABYTE = 1e6;

const run = promisify(execFile);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    peers: { type: "string", default: "10000" },
    rounds: { type: "string", default: "3" },
    "warm-up": { type: "string", default: "20" },
    singles: { type: "string", default: "10000" },
    removals: { type: "string", default: "1000" },
  },
});
const [program = "", file = ""] = positionals;
const peers = Number(values.peers);
const singles = Math.min(Number(values.singles), peers);
const removals = Math.min(Number(values.removals), peers);

const driver = await openDriver();
console.log(`# kernel ${release()}`);
const say = (text: string) => process.stderr.write(`bench: ${text}\n`);
say(`${driver.info.module} ${driver.info.version}, Node ${process.version}, ${peers} peers`);

const theirs: Record<string, Phase>[] = [];
const ours: Record<string, Phase>[] = [];
const idle: number[] = [];
const warmUp = Math.min(WARM_UP_PEERS, peers);
const cold = await runPhases(driver, warmUp, Math.min(warmUp, singles));
for (let round = 2; round <= Number(values["warm-up"]); round++) {
  await runPhases(driver, warmUp, Math.min(warmUp, singles), WARM_UP_TIMES);
}
say(`${values["warm-up"]} rounds of ${warmUp} peers to warm up are done`);
for (let round = 1; round <= Number(values.rounds); round++) {
  const { stdout } = await run(program, ["phases", String(peers), String(removals), String(singles)]);
  theirs.push(JSON.parse(stdout));
  idle.push((await watched(() => sleep(IDLE_MS))).loop.p99);
  ours.push(await runPhases(driver, peers, singles));
  say(`round ${round} of ${values.rounds} is done`);
}
const delays = await eventDelays(driver, program, EVENTS);
await driver.close();

const rate = ({ count, seconds }: Phase) => count / seconds;
const phases = Object.keys(ours[0] ?? {});
const of = (rounds: readonly Record<string, Phase>[], name: string) =>
  rounds.map((each) => each[name] as Phase);
const rows: Row[] = [
  ...phases.map((name) => rateRow(name, unitOf(name), of(ours, name).map(rate), of(theirs, name).map(rate))),
  ...phases.map((name) =>
    loopRow(
      name,
      of(ours, name).map(({ loop }) => loop?.p99 ?? Number.NaN),
      idle,
    ),
  ),
  ...phases.map((name) =>
    limitRow(`first round, ${name}`, unitOf(name), rate(cold[name] as Phase), null, `${warmUp} peers, cold`),
  ),
  limitRow("event to callback, median", "ms", median(delays), null, "behind a C listener"),
  limitRow("event to callback, max", "ms", Math.max(...delays), null, "behind a C listener"),
  ...(await memoryRows()),
];
writeFileSync(file, JSON.stringify(rows));

function unitOf(phase: string): string {
  return phase === "list" || phase === "statistics" ? "peers/s" : "requests/s";
}

async function memoryRows(): Promise<Row[]> {
  const script = fileURLToPath(new URL("memory.ts", import.meta.url));
  const { stdout } = await run(process.execPath, ["--expose-gc", script, String(peers)]);
  const { rss, heapUsed } = JSON.parse(stdout) as { rss: number; heapUsed: number };
  const row = (name: string, bytes: number) =>
    limitRow(name, "MB", bytes / MEGABYTE, null, "1,000 peers with two keys", {
      most: 1,
      of: bytes / MEGABYTE,
    });
  return [row("memory per 1,000 peers, process", rss), row("memory per 1,000 peers, heap", heapUsed)];
}
