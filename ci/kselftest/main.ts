/**
 * The host's part of `npm run test:kselftest`: starts the virtual machine, keeps each script's result as soon as it is
 * there, and says how far it is.
 */
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { run } from "../gate/process.ts";
import { inRoot } from "../paths.ts";
import { keepResult, readResults, type ScriptResult, verdict } from "./results.ts";

/** What the machine prints in front of a result. */
const RESULT = "# result ";

/** Seconds of a script with both clients that was never run here, on an idle machine without KVM. */
const GUESS_SECONDS = 900;

/** Seconds that all of it gets, and one script; the machine's boot included. */
const LIMIT = 14_400;

const { values } = parseArgs({
  options: {
    kernel: { type: "string", default: "latest" },
    /** The version that `kernel` means. */
    version: { type: "string", default: "" },
    source: { type: "string", default: "" },
    programs: { type: "string", default: "" },
    filter: { type: "string", default: "" },
    stretch: { type: "string", default: "4" },
    parallel: { type: "string", default: "2" },
    /** Leaves out what passed before on this kernel. */
    remaining: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});

async function main(): Promise<number> {
  const earlier = new Map(
    readResults()
      .filter(({ kernel }) => kernel === values.version)
      .map((result) => [result.script, result]),
  );
  const passed = (script: string) => {
    const result = earlier.get(script);
    return result !== undefined && verdict(result) === "passed";
  };
  const all = readdirSync(values.source).filter((name) => /^test.*\.sh$/.test(name));
  // In the order of the words.
  const chosen = values.filter.split(",").flatMap((word) => all.filter((name) => name.includes(word)));
  const scripts = [...new Set(chosen)].filter((name) => !(values.remaining && passed(name)));
  if (scripts.length === 0) {
    console.log("# no script is left to run");
    return values.remaining ? 0 : 1;
  }
  const expected = (script: string) => {
    const result = earlier.get(script);
    return result === undefined ? GUESS_SECONDS : result.kernelClient.seconds + result.ourClient.seconds;
  };
  const rest = (of: readonly string[]) => of.reduce((sum, script) => sum + expected(script), 0);
  const atOnce = Math.min(Number(values.parallel), scripts.length);
  console.log(`# ${scripts.length} scripts, ${atOnce} at a time, about ${minutes(rest(scripts) / atOnce)}`);
  const results: ScriptResult[] = [];
  const ended = await run(
    "bash",
    [
      ...[inRoot("ci", "vm", "run"), "--kernel", values.kernel, "--timeout", String(LIMIT)],
      // Each script has seven clients that hold sockets.
      ...["--memory", "2048", "--"],
      ...[inRoot("ci", "vm", "start-node"), process.execPath, inRoot("test", "kselftest", "main.ts")],
      ...["--source", values.source, "--programs", values.programs, "--stretch", values.stretch],
      ...["--parallel", values.parallel],
      ...(values.verbose ? ["--verbose"] : []),
      ...scripts,
    ],
    {
      seconds: LIMIT + 100,
      onLine(line) {
        if (!line.startsWith(RESULT)) return console.log(line);
        const result = JSON.parse(line.slice(RESULT.length)) as ScriptResult;
        results.push(result);
        keepResult(result);
        const left = scripts.filter((each) => !results.some(({ script }) => script === each));
        if (left.length > 0) {
          console.log(`# ${left.length} scripts left, about ${minutes(rest(left) / atOnce)}`);
        }
      },
    },
  );
  const count = (wanted: string) => results.filter((result) => verdict(result) === wanted).length;
  const lost = scripts.length - results.length;
  if (ended.problem !== undefined && lost > 0)
    console.log(`# ${lost} scripts were not run: ${ended.problem}`);
  const failed = count("failed") + lost;
  console.log(`${count("passed")} passed, ${failed} failed, ${count("skipped")} skipped`);
  return failed > 0 || count("passed") === 0 ? 1 : 0;
}

const minutes = (seconds: number) => `${Math.max(1, Math.round(seconds / 60))} min`;

process.exitCode = await main();
