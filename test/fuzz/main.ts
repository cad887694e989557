/**
 * What strangers, broken peers and broken streams send to the userspace backend: bytes without end.
 *
 * `node test/fuzz/main.ts [--inputs 1000000] [--seed NUMBER]`. Every input must end as a packet, a counted drop or an
 * orderly end; memory must not grow. Exit status 1 with the seed and the input otherwise; the same seed gives the same
 * inputs.
 */
import { parseArgs } from "node:util";
import { dropped, fuzzData } from "./data.ts";
import { fuzzFrames } from "./frames.ts";
import { Random } from "./random.ts";
import { fuzzStream } from "./stream.ts";

/** What a run may hold in the end beyond what it held after its first tenth. */
const GROWTH_BYTES = 48 * 1024 * 1024;

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
  },
});
const inputs = Number(values.inputs);
const seed = Number(values.seed);
if (!Number.isInteger(inputs) || inputs < 100 || !Number.isInteger(seed)) {
  console.error("usage: main.ts [--inputs NUMBER, 100 at least] [--seed NUMBER]");
  process.exit(2);
}

/** Each gets its share of the inputs, a slice at a time. */
const targets = [
  { name: "DATA_V2 packets", share: 0.6, run: fuzzData(new Random(seed)) },
  { name: "TCP streams", share: 0.2, run: fuzzFrames(new Random(seed + 1)) },
  { name: "inner packets", share: 0.2, run: fuzzStream(new Random(seed + 2)) },
];

const SLICES = 50;
let held: number | undefined;
let failed = false;
console.log(`# ${inputs} inputs, seed ${seed}`);
for (let slice = 0; slice < SLICES && !failed; slice++) {
  for (const { name, share, run } of targets) {
    try {
      run(Math.ceil((inputs * share) / SLICES));
    } catch (error) {
      failed = true;
      console.log(`not ok - ${name}, seed ${seed}: ${(error as Error).stack}`);
    }
  }
  await new Promise((resolve) => setImmediate(resolve));
  if (slice === SLICES / 10) held = memory();
}
const grown = memory() - (held ?? 0);
if (grown > GROWTH_BYTES) {
  failed = true;
  console.log(`not ok - memory grew by ${Math.round(grown / 2 ** 20)} MiB, seed ${seed}`);
}
console.log(`# memory grew by ${(grown / 2 ** 20).toFixed(1)} MiB`);
console.log(`# drops: ${JSON.stringify(dropped())}`);
console.log(failed ? "0 passed, 1 failed" : `${targets.length} passed, 0 failed`);
process.exitCode = failed ? 1 : 0;

function memory(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
