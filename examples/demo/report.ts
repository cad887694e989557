/**
 * What a person sees while the demo runs: a line for each step, which ends in ok, and what was measured.
 */
import { DcoError } from "../../src/index.ts";

/** How a step ended. */
export interface StepResult {
  readonly title: string;
  readonly ok: boolean;
  /** What was measured, or why it failed. */
  readonly result: string;
  readonly seconds: number;
}

/** How long a step may take to end by itself after the demo was stopped. */
const GRACE_MS = 5000;

export class Report {
  readonly steps: StepResult[] = [];
  /** Its abort ends the step that is running. */
  signal: AbortSignal;
  readonly #quiet: boolean;
  readonly #inPlace = process.stdout.isTTY === true;

  /** @param quiet print nothing */
  constructor(quiet: boolean, signal: AbortSignal) {
    this.#quiet = quiet;
    this.signal = signal;
  }

  /**
   * Runs a step, which has failed if it throws.
   *
   * @param body may say how far it is; what it says last is what was measured
   */
  async step<T>(title: string, body: (say: (text: string) => void) => Promise<T>): Promise<T> {
    const started = performance.now();
    const { signal } = this;
    const begin = `${this.steps.length + 1}. ${title} ... `;
    this.#write(begin);
    const end = (ok: boolean, result: string) => {
      const seconds = (performance.now() - started) / 1000;
      this.steps.push({ title, ok, result, seconds });
      if (this.#inPlace) this.#write(`\r\x1b[2K${begin}`);
      this.#write(`${ok ? "ok" : "FAILED"} (${seconds.toFixed(1)} s)\n`);
      for (const line of result.split("\n")) this.#write(`     ${line}\n`);
    };
    let said = "";
    const say = (text: string) => {
      said = text;
      if (this.#inPlace)
        this.#write(`\r\x1b[2K${`${begin}${text}`.slice(0, (process.stdout.columns || 80) - 1)}`);
    };
    try {
      signal.throwIfAborted();
      const value = await orAborted(body(say), signal);
      end(true, said);
      return value;
    } catch (error) {
      const why = signal.aborted ? signal.reason : error;
      end(false, explain(why));
      throw why;
    }
  }

  print(text: string): void {
    this.#write(`${text}\n`);
  }

  #write(text: string): void {
    if (!this.#quiet) process.stdout.write(text);
  }
}

/** Waits for the work, but not much longer than until the abort. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      timer = setTimeout(() => reject(signal.reason), GRACE_MS);
    };
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    clearTimeout(timer);
  }
}

/** An error as a person needs it; of a DcoError all that it knows. */
export function explain(error: unknown): string {
  if (!DcoError.is(error)) return error instanceof Error ? error.message : String(error);
  const { code, message, operation, target, native, kernelMessage } = error;
  const lines = [`DcoError ${code}: ${message}`];
  if (operation !== undefined) lines.push(`in ${operation}${target === undefined ? "" : `, ${target}`}`);
  if (native) lines.push(`the system said ${native.name} (${native.kind} ${native.number})`);
  if (kernelMessage?.text) lines.push(`the kernel said: ${kernelMessage.text}`);
  if (kernelMessage?.attribute) lines.push(`about the attribute ${kernelMessage.attribute}`);
  return lines.join("\n");
}
