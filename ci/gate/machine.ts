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

/**
 * Node strips types with WebAssembly, and under emulation it crashes now and then in V8's code for what has become hot
 * there: that is not made better, which costs nothing noticeable. See docs/development.md.
 */
const FOR_EMULATION = "--no-wasm-tier-up";

/** What a shell makes of SIGSEGV, and of the trap by which V8 ends the process when one of its own checks fails. */
const CRASHED: readonly (number | null)[] = [139, 133];

/** On Linux 6.1 two of five starts end so. */
const STARTS = 5;

/** Boots it and runs the cases; again if Node crashes before the first of them. */
export async function runInMachine(what: MachineRun): Promise<Ended> {
  const programs = await bundleSuite();
  try {
    let begun = false;
    const onLine = (line: string) => {
      begun ||= line.startsWith("TAP version");
      what.onLine(line);
    };
    let ended = await start({ ...what, onLine }, programs.run);
    for (let starts = 1; starts < STARTS && !begun && CRASHED.includes(ended.status); starts++) {
      what.onLine("# Node crashed while it loaded the cases; it is started again, see docs/development.md");
      ended = await start({ ...what, onLine }, programs.run);
    }
    return ended;
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
    ...["--", "sh", "-c", script, "sh", process.execPath, FOR_EMULATION, program, ...(what.arguments ?? [])],
  ];
  return run("bash", [inRoot("ci", "vm", "run"), ...machine], {
    seconds: seconds + AROUND,
    onLine,
    onErrorLine,
  });
}
