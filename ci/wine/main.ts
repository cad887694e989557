/**
 * `npm run test:wine`: the Windows tests under Wine, see README.md beside it. Prints TAP and, as its last line,
 * `N passed, N failed, N skipped`; exit status 0 if nothing failed.
 */
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { inRoot } from "../paths.ts";
import { bundle } from "./bundle.ts";
import { buildDriver, installDriver } from "./driver.ts";
import { againIsolated, canIsolate } from "./isolate.ts";
import { checkLayouts } from "./layouts.ts";
import { programs } from "./programs.ts";
import { makeRunFolder, WineSession } from "./session.ts";
import { SUITES, type Suite } from "./suites.ts";
import { Tally } from "./tally.ts";

const USAGE = `usage: npm run test:wine [-- [--only SUITE[,SUITE...]] [--filter TEXT] [--json FILE]]
  --only   of: ${SUITES.map(({ name }) => name).join(", ")}
  --filter only cases whose name has this text
  --json   writes what each case came to`;

interface Options {
  readonly suites: readonly Suite[];
  readonly filter: string;
  readonly json: string | undefined;
}

function options(): Options {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: "string" },
        filter: { type: "string", default: "" },
        json: { type: "string" },
      },
    });
    const names = values.only?.split(",");
    for (const name of names ?? [])
      if (!SUITES.some((suite) => suite.name === name)) throw new Error(`no suite ${name}`);
    const suites = SUITES.filter(({ name }) => names === undefined || names.includes(name));
    return { suites, filter: values.filter, json: values.json };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

/** Set for the isolated process: the folder of the run. */
const FOLDER = "DCOKIT_WINE_FOLDER";

async function main(chosen: Options): Promise<number> {
  const given = process.env[FOLDER];
  if (given !== undefined) return tests(chosen, given);
  const missing = process.env["DCOKIT_WINE_MISSING"] ?? "";
  const why = process.env["DCOKIT_WINE_MISSING_WHY"] ?? "";
  if (missing !== "" || why !== "")
    throw new Error(`NOT RUN: ${[missing, why].filter((text) => text).join(": ")}`);
  const folder = makeRunFolder(inRoot("build", "wine"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  // What needs this machine's network.
  programs();
  if (canIsolate()) return againIsolated({ [FOLDER]: folder });
  console.log("# without namespaces: runs at the same time can disturb each other");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  return tests(chosen, folder);
}

async function tests({ suites, filter, json }: Options, folder: string): Promise<number> {
  let session: WineSession | undefined;
  const close = () => session?.close();
  process.once("exit", close);
  try {
    const tally = new Tally();
    const { node, modules } = programs();
    symlinkSync(modules, join(folder, "node_modules"));
    if (filter === "")
      tally.check("layouts: the simulator's are those of the driver's headers", () => checkLayouts(folder));
    const driver = await timed("the simulator, built", buildDriver);
    const opened = await timed("a Wine prefix", () => new WineSession(folder));
    session = opened;
    await timed("the simulator, installed", () => installDriver(opened, driver));
    for (const suite of suites)
      await run(opened, suite, node, { folder, filter, tally, installer: join(driver, "install.exe") });
    if (json !== undefined) writeFileSync(json, `${JSON.stringify({ cases: tally.cases }, null, 2)}\n`);
    return tally.conclude();
  } finally {
    process.removeListener("exit", close);
    close();
  }
}

/** Says how long a step took. */
async function timed<T>(what: string, step: () => T | Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await step();
  console.log(`# ${what}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return result;
}

interface Run {
  readonly folder: string;
  readonly filter: string;
  readonly tally: Tally;
  readonly installer: string;
}

async function run(
  session: WineSession,
  suite: Suite,
  node: string,
  { folder, filter, tally, installer }: Run,
): Promise<void> {
  const program = bundle(suite.entry, join(folder, `${suite.name}.mjs`));
  tally.begin(suite.name);
  const args = [...suite.flags, program, ...suite.args, ...(filter === "" ? [] : ["--filter", filter])];
  const { problem } = await session.run(node, args, {
    seconds: suite.seconds,
    environment: { DCOKIT_INSTALLER: installer },
    onLine: (line) => tally.read(line),
  });
  tally.end(problem, filter !== "");
}

try {
  process.exitCode = await main(options());
} catch (error) {
  console.error(`test:wine: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
