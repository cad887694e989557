/**
 * Random sequences of operations on userspace and on the kernel at once.
 *
 * `node test/model/main.ts [--sequences 2000] [--seed NUMBER] [--path PATH] [--replay-path PATH]`; what is behind
 * `--path` and `--replay-path` a failure has printed: only its sequence is made again. Without a kernel userspace is
 * compared with the model of the contract alone, and the output says so. Exit status 1 if something does not agree.
 */
import { parseArgs } from "node:util";
import { LeakCheck } from "../conformance/leaks.ts";
import { findDisagreement } from "./agreement.ts";
import { linuxSubject, userspaceSubject } from "./subjects.ts";

const USAGE = "usage: main.ts [--sequences NUMBER] [--seed NUMBER] [--path PATH] [--replay-path PATH]";
/** Time between lines of progress. */
const PROGRESS_MS = 15_000;

const { values } = parseArgs({
  options: {
    sequences: { type: "string", default: "2000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    path: { type: "string" },
    "replay-path": { type: "string" },
  },
});
const sequences = Number(values.sequences);
const seed = Number(values.seed);
if (!Number.isInteger(sequences) || sequences < 1 || !Number.isInteger(seed)) {
  console.error(USAGE);
  process.exit(2);
}

const linux = await linuxSubject();
const subjects = [userspaceSubject(), ...(typeof linux === "string" ? [] : [linux])];
for (const { name, version } of subjects) console.log(`# ${name}: ${version}`);
if (typeof linux === "string")
  console.log(
    `# not run: against a kernel (${linux}); userspace is compared with the model of the contract alone`,
  );
console.log(`# ${sequences} sequences, seed ${seed}`);

const began = performance.now();
let told = began;
const onProgress = (done: number) => {
  const now = performance.now();
  if (now - told < PROGRESS_MS) return;
  told = now;
  const [spent, left] = [now - began, ((now - began) / done) * (sequences - done)].map((ms) =>
    Math.round(ms / 1000),
  );
  console.log(`# ${done} of ${sequences} sequences in ${spent} s, about ${left} s to go`);
};
try {
  const leaks = await LeakCheck.begin();
  const { path, "replay-path": replayPath } = values;
  const found = await findDisagreement(subjects, { sequences, seed, path, replayPath, onProgress });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`# ${found.sequences} sequences, ${found.operations} operations, ${seconds} s`);
  const counts = [...found.endings]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, count]) => `${what} ${count}`);
  console.log(`# endings: ${counts.join(", ")}`);
  const left = await leaks.finish();
  const failure = found.failure ?? (left.length > 0 ? `left behind: ${left.join(", ")}` : undefined);
  if (failure !== undefined) console.log(`not ok - ${failure}`);
  console.log(failure === undefined ? "1 passed, 0 failed" : "0 passed, 1 failed");
  process.exitCode = failure === undefined ? 0 : 1;
} finally {
  for (const subject of subjects) await subject.close();
}
