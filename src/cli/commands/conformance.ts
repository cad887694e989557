/**
 * `dco conformance`: the suite that every backend must pass, on the userspace backend or on one of the caller's.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { readWord } from "../arguments.ts";
import type { Command } from "../command.ts";
import { EXIT, UsageError } from "../exit-codes.ts";

/** What of `dcokit/conformance` is used: it is built from the tests, and no source file of the package. */
interface Suite {
  readonly cases: readonly unknown[];
  readonly userspaceHost: unknown;
  openStreamSubject(options: object): Promise<unknown>;
  runConformance(rounds: readonly object[], options: object): Promise<{ passed: number; failed: number }>;
}

/** Where the build puts the entry point `dcokit/conformance`. */
const SUITE = new URL("../../conformance/index.js", import.meta.url).href;

const conformance: Command = {
  words: ["conformance"],
  summary: "run the suite that every backend must pass, on userspace or on a backend of yours",
  details: [
    "Prints TAP. Nothing is needed for it: all ends are in this process. Exit status 0: every case passed.",
    "With --json the TAP goes to standard error, and the numbers of cases to standard output.",
    "For a backend of your own see docs/write-a-backend.md: FILE is a module whose default export makes its hosts.",
  ],
  positionals: [],
  options: {
    filter: { type: "string", value: "TEXT", help: "only cases whose name has this" },
    host: { type: "string", value: "FILE", file: true, help: "a backend of yours (default: userspace)" },
    protocol: {
      type: "string",
      value: "PROTOCOL",
      choices: ["udp", "tcp"],
      help: "what tunnels are made of (default udp)",
    },
    report: { type: "string", value: "FILE", file: true, help: "write the matrix as JSON" },
  },
  examples: [
    "dco conformance",
    "dco conformance --filter keys",
    "dco conformance --host ./my-backend.js --report matrix.json",
  ],
  async run({ values, output, signal }) {
    const protocol = readWord(values.text("protocol") ?? "udp", "--protocol", ["udp", "tcp"]);
    const file = values.text("host");
    const suite = await load<Suite>(SUITE, "the suite is part of the built package");
    const host =
      file === undefined
        ? suite.userspaceHost
        : (await load<{ default?: unknown }>(pathToFileURL(resolve(file)).href, file)).default;
    if (typeof host !== "function")
      throw new UsageError("--host: the module has no function as its default export");
    // The userspace backend takes the time from the suite.
    const subject = { name: file ?? "userspace", host, protocol, haste: file === undefined ? 5 : 1 };
    const open = () => suite.openStreamSubject(subject);
    const result = await suite.runConformance([{ open, cases: suite.cases }], {
      filter: values.text("filter"),
      json: values.text("report"),
      print: (line: string) => {
        // Between two cases is where a run can be left: what is open is closed.
        signal.throwIfAborted();
        if (output.json) output.note(line);
        else output.raw(`${line}\n`);
      },
    });
    output.value(result);
    const { passed, failed } = result;
    return failed === 0 && passed > 0 ? EXIT.ok : EXIT.no;
  },
};

async function load<T>(specifier: string, what: string): Promise<T> {
  try {
    return (await import(specifier)) as T;
  } catch (error) {
    throw new UsageError(`${what}: it cannot be loaded (${(error as Error).message.split("\n")[0]})`);
  }
}

export const CONFORMANCE_COMMANDS: readonly Command[] = [conformance];
