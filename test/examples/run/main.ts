/**
 * Runs the examples of the pages: on the userspace backend, or, with `--kernel`, on this machine's kernel as root.
 *
 * `--filter TEXT` runs the scenes whose page or name has it. Ends with a line of counts, and with status 1 if something
 * failed, or if an example that could be run here was not.
 */
import { release } from "node:os";
import { parseArgs } from "node:util";
import { kernelOnly, scripts, tests } from "#pages";
import { inTime } from "../../conformance/expect.ts";
import { openLinuxSubject } from "../../conformance/linux/subject.ts";
import { userspaceHost } from "../../conformance/userspace/sites.ts";
import { openStreamSubject } from "../../conformance/userspace/subject.ts";
import type { Subject } from "../../conformance/world.ts";
import { Checks } from "../../openvpn/checks.ts";
import { scenes } from "./scenes/index.ts";
import { called, exportedFunctions, type Scene } from "./stage.ts";

const { values } = parseArgs({
  options: { kernel: { type: "boolean", default: false }, filter: { type: "string", default: "" } },
});

/** Without a kernel, seconds pass faster: keepalives of a minute take some seconds. */
const HASTE = 30;

function openSubject(): Promise<Subject> {
  if (values.kernel) return openLinuxSubject("auto");
  return openStreamSubject({ name: "userspace", host: (clock) => userspaceHost(clock), haste: HASTE });
}

/** What the examples print is kept until a scene fails. */
async function quietly<T>(body: (said: readonly string[]) => Promise<T>): Promise<T> {
  const { log, error } = console;
  const said: string[] = [];
  console.log = console.error = (...words: unknown[]) => {
    said.push(words.map(String).join(" "));
  };
  try {
    return await body(said);
  } catch (failure) {
    log(said.map((line) => `  | ${line}`).join("\n"));
    throw failure;
  } finally {
    Object.assign(console, { log, error });
  }
}

async function play(subject: Subject, scene: Scene): Promise<void> {
  const world = await subject.open();
  const over = new AbortController();
  try {
    await quietly((said) =>
      inTime(scene.run({ kernel: values.kernel, world, signal: over.signal, said }), scene.name, 100_000),
    );
  } finally {
    over.abort();
    await world.close();
  }
  const left = await subject.leftovers();
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
}

/** Examples that nothing has called, though they could be run here. */
function notCalled(): string[] {
  const all = [...exportedFunctions(), ...[...scripts, ...tests].map((file) => ({ file, what: file }))];
  return all
    .filter(({ file, what }) => !called.has(what) && (values.kernel || !kernelOnly.includes(file)))
    .map(({ what }) => what);
}

async function main(): Promise<number> {
  console.log(values.kernel ? `# kernel ${release()}` : "# without a kernel");
  const checks = new Checks();
  const subject = await openSubject();
  try {
    for (const scene of scenes) {
      checks.topic = scene.page;
      if (!`${scene.page} ${scene.name}`.includes(values.filter)) continue;
      if (scene.kernel && !values.kernel) checks.skip(scene.name, "it needs a kernel");
      else await checks.check(scene.name, () => play(subject, scene));
    }
  } finally {
    await subject.close();
  }
  if (values.filter === "") {
    checks.topic = "all pages";
    await checks.check(`${called.size} functions and scripts were run, and none was forgotten`, async () => {
      const forgotten = notCalled();
      if (forgotten.length > 0) throw new Error(`not run: ${forgotten.join(", ")}`);
    });
  }
  return checks.conclude();
}

try {
  process.exitCode = await main();
} catch (error) {
  console.log(`Bail out! ${error instanceof Error ? error.message : String(error)}`);
  console.error(error);
  process.exitCode = 1;
}
