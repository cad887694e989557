/** A virtual machine can fail of itself: then its cases are run again, once, and the summary says so. */
import type { SuiteResult } from "./result.ts";
import type { Print } from "./side-by-side.ts";

/** How one run in a machine ended. */
export interface MachineEnd {
  readonly result: SuiteResult;
  /** Of ci/vm/run. */
  readonly status: number | null;
}

/** Of ci/vm/run: the machine failed, or its kernel; what ran in it says nothing. */
const MACHINE_FAILED = 125;

/** What ci/vm/run said of it; else a general sentence. */
function why({ lastWords = [] }: SuiteResult): string {
  const said = lastWords.filter((line) => line.startsWith("vm: ")).map((line) => line.slice("vm: ".length));
  return said.findLast((line) => !line.includes("the guest's console")) ?? "it did not say why";
}

/**
 * Runs it; a second time, in a new machine, if the first failed though no case had. QEMU's emulation, the machine's
 * memory and races of the kernel's own can end a machine at any moment; what a case does to it, it does again.
 */
export async function repeatIfMachineFails(
  once: () => Promise<MachineEnd>,
  print: Print,
): Promise<SuiteResult> {
  const first = await once();
  if (first.status !== MACHINE_FAILED || (first.result.failures ?? []).length > 0) return first.result;
  const reason = why(first.result);
  print(`# the machine failed, and no case had: ${reason}; all cases are run again in a new one`);
  const { result } = await once();
  const told = `the first machine failed (${reason}), and all was run again`;
  return {
    ...result,
    note: result.note === undefined ? told : `${result.note}; ${told}`,
    ...(result.lastWords && { lastWords: ["in the second machine:", ...result.lastWords] }),
  };
}
