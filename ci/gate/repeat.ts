/** A virtual machine can fail of itself: then its cases are run again, once, and the summary says so. */
import type { SuiteResult } from "./result.ts";
import type { Print } from "./side-by-side.ts";

/** How one run in a machine ended. */
export interface MachineEnd {
  readonly result: SuiteResult;
  /** Of ci/vm/run. */
  readonly status: number | null;
  /** The cases had begun, and did not come to their end. */
  readonly isCutOff: boolean;
}

/** Of ci/vm/run: the machine failed, or its kernel; what ran in it says nothing. */
const MACHINE_FAILED = 125;

/** What ci/vm/verdict.sh says where cases may be what did it. */
export const FAULT = "the kernel reported a fault";
export const OUT_OF_MEMORY = "the guest ran out of memory";

/** What comes before lines of the guest's console. */
const HEADINGS = ["vm: the guest's console from there:", "vm: the last lines of the guest's console:"];

/** What ci/vm/run said of it; else a general sentence. */
function why({ lastWords = [] }: SuiteResult): string {
  const said = lastWords.filter((line) => line.startsWith("vm: ") && !HEADINGS.includes(line));
  return said.at(-1)?.slice("vm: ".length) ?? "it did not say why";
}

/**
 * Runs it; a second time, in a new machine, if the first came to no end though no case had failed, and it was not the cases'
 * doing: not where memory ran out, nor where the kernel reported a fault, unless its module is known for that. A fault
 * that lets the cases go on to their end is counted as a failure in either.
 *
 * @param hasKnownFaults the kernel's module crashes it now and then, whatever is done: see docs/linux.md
 */
export async function repeatIfMachineFails(
  once: () => Promise<MachineEnd>,
  hasKnownFaults: boolean,
  print: Print,
): Promise<SuiteResult> {
  const { result: first, status, isCutOff } = await once();
  const hasFailures = (first.failures ?? []).length > 0;
  const reason = why(first);
  const isOfCases = reason.startsWith(OUT_OF_MEMORY) || (reason.startsWith(FAULT) && !hasKnownFaults);
  if (status !== MACHINE_FAILED || !isCutOff || hasFailures || isOfCases) return first;
  print(`# the machine failed, and no case had: ${reason}; all cases are run again in a new one`);
  const { result } = await once();
  const told = `the first machine failed (${reason}), and all was run again`;
  return {
    ...result,
    note: result.note === undefined ? told : `${result.note}; ${told}`,
    ...(result.lastWords && { lastWords: ["in the second machine:", ...result.lastWords] }),
  };
}
