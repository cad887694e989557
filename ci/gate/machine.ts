/** Runs the behaviour cases in a virtual machine. */
import { inRoot } from "../paths.ts";
import { type Ended, run } from "./process.ts";
import { bundleSuite } from "./programs.ts";

/** Which kernel, and what of the cases. */
export interface MachineRun {
  /** See ci/vm/run. */
  readonly kernel: string;
  /** Where to look for the kernel; none: where ci/vm/run does. */
  readonly suites?: readonly string[];
  /** With the out-of-tree module. */
  readonly legacy?: boolean;
  /** Of test/conformance/run.ts. */
  readonly arguments?: readonly string[];
  /** A folder that the guest may write to, at this path in it. */
  readonly share?: readonly [host: string, guest: string];
  readonly seconds: number;
  readonly onLine: (line: string) => void;
  /** What the machine says besides; otherwise printed as it comes. */
  readonly onErrorLine?: (line: string) => void;
}

/** Seconds that the runner gets to boot the machine and to tidy up. */
const AROUND = 100;

/** Boots it and runs the cases. */
export async function runInMachine(what: MachineRun): Promise<Ended> {
  const programs = await bundleSuite();
  try {
    return await start(what, programs.run);
  } finally {
    programs.remove();
  }
}

function start(what: MachineRun, program: string): Promise<Ended> {
  const { kernel, suites = [], legacy = false, share, seconds, onLine, onErrorLine } = what;
  // The guest's own word for the kernel that it runs.
  const script = 'echo "# kernel $(uname -r)"; exec "$@"';
  const machine = [
    ...["--kernel", kernel, "--timeout", String(seconds)],
    ...suites.flatMap((suite) => ["--suite", suite]),
    ...(legacy ? ["--legacy"] : []),
    ...(share ? ["--share", share.join(":")] : []),
    ...["--", "sh", "-c", script, "sh", inRoot("ci", "vm", "start-node"), "--again"],
    ...[process.execPath, program, ...(what.arguments ?? [])],
  ];
  return run("bash", [inRoot("ci", "vm", "run"), ...machine], {
    seconds: seconds + AROUND,
    onLine,
    onErrorLine,
  });
}
