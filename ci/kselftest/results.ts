/** What the kernel's own tests gave; kept, so that scripts can be run one by one and the results add up. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { table, writeSection } from "../page.ts";
import { inRoot } from "../paths.ts";

/** One script with one client. */
export interface ClientResult {
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
  /** The first case that failed, or why there was none. */
  readonly problem?: string;
}

/** One script with both clients, in one run on one kernel. */
export interface ScriptResult {
  readonly kernel: string;
  readonly script: string;
  readonly date: string;
  /** By how much waiting times and time limits were stretched, for both. */
  readonly stretch: number;
  readonly kernelClient: ClientResult;
  readonly ourClient: ClientResult;
}

const FILE = inRoot("docs", "kselftest.json");
const PAGE = inRoot("docs", "conformance.md");
const BEGIN = "<!-- kselftest: written by npm run test:kselftest -->";
const END = "<!-- end of kselftest -->";

/** Every case passed. */
export const well = ({ passed, problem }: ClientResult): boolean => passed > 0 && problem === undefined;

/** What the line of a script says in the end. */
export function verdict({ kernelClient, ourClient }: ScriptResult): "passed" | "failed" | "skipped" {
  if (well(ourClient) && ourClient.passed >= kernelClient.passed) return "passed";
  return well(kernelClient) ? "failed" : "skipped";
}

/** What is known from earlier runs. */
export function readResults(): ScriptResult[] {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, "utf8")) as ScriptResult[]) : [];
}

/** Replaces the result of the same script on the same kernel, here and in docs/conformance.md. */
export function keepResult(fresh: ScriptResult): void {
  const others = readResults().filter(
    ({ kernel, script }) => kernel !== fresh.kernel || script !== fresh.script,
  );
  const order = ({ kernel, script }: ScriptResult) => `${kernel} ${script}`;
  const all = [...others, fresh].sort((a, b) => (order(a) < order(b) ? -1 : 1));
  writeFileSync(FILE, `${JSON.stringify(all, undefined, 2)}\n`);
  writeSection(PAGE, BEGIN, END, show(all));
}

/** Tables for docs/conformance.md, one for each kernel. */
export function show(results: readonly ScriptResult[]): string {
  const kernels = [...new Set(results.map(({ kernel }) => kernel))];
  const parts = kernels.map((kernel) => {
    const all = results.filter((each) => each.kernel === kernel);
    const rows = all.map((each) => [
      `\`${each.script}\``,
      inWords(each.kernelClient),
      inWords(each.ourClient),
      verdict(each),
      each.date,
      `${each.stretch}`,
    ]);
    const sum = (of: "kernelClient" | "ourClient") =>
      `${all.reduce((count, each) => count + each[of].passed, 0)} passed`;
    const good = all.filter((each) => verdict(each) === "passed").length;
    const last = ["**all**", sum("kernelClient"), sum("ourClient"), `${good} of ${all.length}`, "", ""];
    const heads = [`Linux ${kernel}`, "the kernel's client", "our client", "verdict", "run", "stretch"];
    return table(heads, [...rows, last]);
  });
  return parts.join("\n\n");
}

function inWords({ passed, failed, problem, seconds }: ClientResult): string {
  const cases = failed > 0 ? `${passed} passed, **${failed} failed**` : `${passed} passed`;
  return `${cases}${problem === undefined ? "" : ` (${problem})`}, ${seconds} s`;
}
