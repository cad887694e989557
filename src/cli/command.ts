/**
 * What a command of `dco` is: enough to parse its words, to explain it, and to complete it.
 */
import type { DcoDriver } from "../core/contract.ts";
import type { WireTrace } from "../core/trace.ts";
import type { Output } from "./output.ts";

/** One option. */
export interface OptionSpec {
  readonly type: "string" | "boolean";
  readonly short?: string;
  readonly multiple?: boolean;
  /** What stands for the value in the help. */
  readonly value?: string;
  readonly help: string;
  /** Values that completion offers. */
  readonly choices?: readonly string[];
  /** Completed as a file. */
  readonly file?: boolean;
}

/** One word after the command. */
export interface PositionalSpec {
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
  readonly choices?: readonly string[];
  /** What completion offers. */
  readonly kind?: "interface" | "file";
}

/** A command. */
export interface Command {
  /** Such as `peer set`. */
  readonly words: readonly string[];
  readonly summary: string;
  /** More about it, in lines of help. */
  readonly details?: readonly string[];
  readonly positionals: readonly PositionalSpec[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** What follows is another command line, which is not parsed here. */
  readonly passesRest?: boolean;
  readonly examples: readonly string[];
  /** @returns the exit status; none: 0 */
  run(context: Context): Promise<number | undefined>;
}

/** What a command is given. */
export interface Context {
  /** The words after the command, as many as `positionals` allow. */
  readonly args: readonly string[];
  readonly values: Values;
  readonly output: Output;
  /** Aborted when the command is to end: Ctrl-C, SIGTERM, SIGHUP, nobody reads the output. */
  readonly signal: AbortSignal;
  readonly input: NodeJS.ReadableStream;
  /** Set while another command is traced. */
  readonly trace: WireTrace | undefined;
  /** Where interfaces are: an option of the driver's verbs. */
  readonly place: { readonly namespace?: string };
  /** All commands there are. */
  readonly commands: readonly Command[];
  /** Opened with the first call, closed when the command has ended. */
  driver(): Promise<DcoDriver>;
  /** Runs another command line with this one's streams. */
  nested(argv: readonly string[], trace: WireTrace): Promise<number>;
}

/** Values of options, read by their type. */
export class Values {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? (value as string[]) : [];
  }
}

/** Options of every command. */
export const GLOBAL_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  json: { type: "boolean", help: "write JSON, one value a line, for programs" },
  namespace: { type: "string", value: "NAME", help: "Linux: the network namespace of the interface" },
  backend: {
    type: "string",
    value: "NAME",
    choices: ["auto", "linux", "linux-legacy", "freebsd", "windows", "userspace"],
    help: "which kernel interface to use (default auto)",
  },
  help: { type: "boolean", short: "h", help: "explain the command" },
};
