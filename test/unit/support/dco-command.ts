/**
 * Runs command lines of `dco` in this process, on a driver of the test's.
 */
import { PassThrough } from "node:stream";
import { runProgram, type Surroundings } from "../../../src/cli/program.ts";

/** What a command line came to. */
export interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** @param open stands for `openDriver`. @param input what comes by standard input; null: nothing, and no end */
export async function runDco(
  argv: readonly string[],
  options: { open?: Surroundings["open"]; input?: string | null; signal?: AbortSignal } = {},
): Promise<Ran> {
  let [out, err] = ["", ""];
  const input = new PassThrough();
  if (options.input !== null) input.end(options.input ?? "");
  const status = await runProgram(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    terminal: false,
    input,
    signal: options.signal ?? new AbortController().signal,
    version: "1.2.3",
    open: options.open ?? (() => Promise.reject(new Error("no driver is to be opened"))),
  });
  return { status, out, err };
}
