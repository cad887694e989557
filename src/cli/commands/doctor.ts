/**
 * `dco doctor`: is data channel offload usable here, and if not, why, and what is to be done?
 */
import type { Command, Context } from "../command.ts";
import type { Check } from "../doctor/checks.ts";
import { linuxChecks } from "../doctor/linux.ts";
import { linuxFacts } from "../doctor/linux-facts.ts";
import { freebsdChecks, otherChecks, windowsChecks } from "../doctor/other.ts";
import { EXIT } from "../exit-codes.ts";

const doctor: Command = {
  words: ["doctor"],
  summary: "is data channel offload usable here, and if not, why, and what is to be done?",
  details: [
    "Exit status 0: it is usable. 1: at least one check failed. Nothing is changed; the module may be loaded.",
  ],
  positionals: [],
  options: {},
  examples: ["dco doctor", "dco doctor --json | jq '.checks[] | select(.result == \"failed\")'"],
  async run(context) {
    const checks = await allChecks(context);
    const usable = checks.every(({ result }) => result !== "failed");
    const { output } = context;
    output.value({ usable, checks });
    const width = Math.max(...checks.map(({ id }) => id.length));
    for (const { id, result, found, remedy } of checks) {
      output.line(`${result.padEnd(7)}  ${id.padEnd(width)}  ${found}`);
      if (remedy !== undefined) output.line(`${" ".repeat(width + 11)}-> ${remedy}`);
    }
    output.line();
    output.line(usable ? "Data channel offload is usable here." : "Data channel offload is not usable here.");
    return usable ? EXIT.ok : EXIT.no;
  },
};

async function allChecks({ driver, signal }: Context): Promise<Check[]> {
  const koffi = await koffiProblem();
  if (process.platform === "linux") return linuxChecks(await linuxFacts(driver, koffi, signal));
  const checks = await checksElsewhere(driver, koffi);
  // A driver that was not opened because nobody waits for it any more is no failed check.
  signal.throwIfAborted();
  return checks;
}

async function checksElsewhere(open: Context["driver"], koffi: string | undefined): Promise<Check[]> {
  if (process.platform === "freebsd") return freebsdChecks(open, koffi);
  if (process.platform === "win32") return windowsChecks(open, koffi);
  return otherChecks(koffi);
}

async function koffiProblem(): Promise<string | undefined> {
  try {
    const { loadFfi } = await import("../../ffi/index.ts");
    loadFfi();
    return undefined;
  } catch (error) {
    return (error as Error).message.split("\n")[0];
  }
}

export const DOCTOR_COMMANDS: readonly Command[] = [doctor];
