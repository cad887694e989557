/**
 * The demo from its first step to its exit status.
 */
import { EventLog } from "./events.ts";
import type { DemoOptions } from "./options.ts";
import { explain, Report } from "./report.ts";
import { Interrupted, onInterrupt, untilAborted } from "./running.ts";
import type { Stage } from "./stage.ts";
import { type Summary, summaryText } from "./summary.ts";

/** What taking everything down may take. */
const TEAR_DOWN_SECONDS = 60;

/** Something that is up, and how to take it down. */
interface Undo {
  readonly what: string;
  readonly body: () => Promise<void>;
}

/** All steps. Each throws if what it shows could not be verified. */
async function show(stage: Stage): Promise<Summary> {
  // Only what is needed is loaded: in an emulated machine it takes long.
  const { show } =
    stage.options.backend === "kernel" ? await import("./kernel.ts") : await import("./userspace.ts");
  return show(stage);
}

/** Runs the demo, takes down what it has made, and returns the exit status. */
export async function main(options: DemoOptions): Promise<number> {
  const stop = new AbortController();
  const fail = (reason: unknown) => stop.abort(reason);
  onInterrupt(fail);
  const { signal } = stop;
  const report = new Report(options.json, signal);
  const events = new EventLog();
  const undos: Undo[] = [];
  const undo = (what: string, body: () => Promise<void>) => void undos.unshift({ what, body });
  const late = () => fail(new Error(`the demo was not done after ${options.seconds} s`));
  const deadline = setTimeout(late, options.seconds * 1000);

  let summary: Summary | undefined;
  let failure: unknown;
  try {
    summary = await show({ options, report, events, signal, fail, undo });
    report.print(`\n${summaryText(summary, events.seen)}\n`);
  } catch (error) {
    failure = signal.reason ?? error;
  }
  clearTimeout(deadline);
  if (summary && options.keep) {
    report.print("Everything is left up; `ip netns list` has the names. Ctrl-C takes it down.");
    const reason = await untilAborted(signal);
    if (!(reason instanceof Interrupted)) failure = reason;
  }
  try {
    await tearDown(report, undos);
    // A program error that came to light meanwhile.
    if (signal.aborted && !(signal.reason instanceof Interrupted)) failure ??= signal.reason;
  } catch (error) {
    failure ??= error;
  }

  const { steps } = report;
  if (options.json) printJson({ ok: failure === undefined, failure, steps, ...summary, events: events.seen });
  else if (failure === undefined) report.print(`All ${steps.length} steps were verified.`);
  else report.print(`The demo FAILED: ${explain(failure)}`);
  if (failure === undefined) return 0;
  return failure instanceof Interrupted ? failure.status : 1;
}

/** However far the demo has come, and whatever stopped it. One failure does not keep the rest from being done. */
async function tearDown(report: Report, undos: readonly Undo[]): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error("this takes too long")), TEAR_DOWN_SECONDS * 1000);
  report.signal = late.signal;
  try {
    await report.step("Take everything down", async (say) => {
      const done: string[] = [];
      const failed: unknown[] = [];
      for (const { what, body } of undos) {
        const undone = body().then(() => done.push(what));
        await undone.catch((error: unknown) => failed.push(error));
      }
      say(done.join(", ") || "nothing was up");
      if (failed.length > 0) throw failed[0];
    });
  } finally {
    clearTimeout(timer);
  }
}

function printJson(document: object): void {
  const text = JSON.stringify(
    document,
    (_, value: unknown) => {
      if (typeof value === "bigint") return Number(value);
      return value instanceof Error && !("toJSON" in value) ? { message: value.message } : value;
    },
    2,
  );
  process.stdout.write(`${text}\n`);
}
