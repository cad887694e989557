/**
 * The command line `dco`: finds the command, reads its words, runs it, and says how it ended.
 */
import { parseArgs } from "node:util";
import { printable } from "../core/compatibility/parse.ts";
import type { DcoDriver } from "../core/contract.ts";
import { DcoError } from "../core/errors.ts";
import type { BackendName } from "../core/model.ts";
import type { WireTrace } from "../core/trace.ts";
import { openDriver } from "../open.ts";
import { type Command, type Context, GLOBAL_OPTIONS, type OptionSpec, Values } from "./command.ts";
import { COMMANDS } from "./commands/index.ts";
import { EXIT, exitCodeOf, UsageError } from "./exit-codes.ts";
import { explain, overview } from "./help.ts";
import { Output, toJson, type Write } from "./output.ts";

/** What the program is given by whoever runs it. */
export interface Surroundings {
  readonly out: Write;
  readonly err: Write;
  /** The output is a terminal. */
  readonly terminal: boolean;
  readonly input: NodeJS.ReadableStream;
  readonly signal: AbortSignal;
  readonly version: string;
  /** Default: {@link openDriver}. */
  readonly open?: typeof openDriver;
  readonly trace?: WireTrace | undefined;
  /** Failures are told as JSON, also without `--json`. */
  readonly jsonErrors?: boolean;
}

/** Runs one command line. Resolves with the exit status when nothing is left of it. */
export async function runProgram(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const { out, err, signal, version } = surroundings;
  const { jsonErrors = false } = surroundings;
  let json = jsonErrors || argv.includes("--json");
  try {
    if (argv.length === 0) {
      err(overview());
      return EXIT.usage;
    }
    const told = argv[0] === "--version" || argv[0] === "version" ? `${version}\n` : helpAsked(argv);
    if (told !== undefined) {
      out(told);
      return EXIT.ok;
    }
    const command = find(argv);
    const { values, args } = parse(command, argv.slice(command.words.length));
    json = jsonErrors || values.flag("json");
    if (values.flag("help")) {
      out(explain(command));
      return EXIT.ok;
    }
    return await runCommand(command, args, values, surroundings);
  } catch (error) {
    if (signal.aborted && exitCodeOf(error) === EXIT.interrupted) return EXIT.interrupted;
    err(json ? `${toJson({ error: plain(error) })}\n` : `dco: ${sentence(error)}\n`);
    return exitCodeOf(error);
  }
}

/** What is told for `help ...`, `--help`, and the first words of several commands with `--help`. */
function helpAsked([first = "", second, ...rest]: readonly string[]): string | undefined {
  if (first === "--help" || first === "-h") return overview();
  if (first === "help") {
    if (second === undefined) return overview();
    return (rest.length === 0 ? explainAll(second) : undefined) ?? explain(find([second, ...rest]));
  }
  return second === "--help" || second === "-h" ? explainAll(first) : undefined;
}

/** All commands of two words that begin with this one. */
function explainAll(word: string): string | undefined {
  const commands = commandsOf(word);
  return commands.length > 0 ? commands.map(explain).join("\n") : undefined;
}

const commandsOf = (word: string | undefined) =>
  COMMANDS.filter(({ words }) => words.length > 1 && words[0] === word);

async function runCommand(
  command: Command,
  args: readonly string[],
  values: Values,
  surroundings: Surroundings,
): Promise<number> {
  const { signal, trace, open = openDriver } = surroundings;
  let driver: Promise<DcoDriver> | undefined;
  const namespace = values.text("namespace");
  const context: Context = {
    args,
    values,
    output: new Output({ json: values.flag("json"), ...surroundings }),
    signal,
    input: surroundings.input,
    commands: COMMANDS,
    trace,
    place: namespace === undefined ? {} : { namespace },
    driver: () => {
      driver ??= open({
        // What is not one of the names is refused there.
        backend: (values.text("backend") ?? "auto") as "auto" | BackendName,
        signal,
        ...(trace === undefined ? {} : { trace }),
      });
      return driver;
    },
    nested: (argv, nestedTrace) =>
      runProgram(argv, { ...surroundings, trace: nestedTrace, jsonErrors: values.flag("json") }),
  };
  try {
    return (await command.run(context)) ?? EXIT.ok;
  } finally {
    const opened = await driver?.catch(() => undefined);
    await opened?.close();
  }
}

function find(argv: readonly string[]): Command {
  const found = COMMANDS.find(({ words }) => words.every((word, at) => argv[at] === word));
  if (found !== undefined) return found;
  const group = commandsOf(argv[0]);
  if (group.length > 0) {
    throw new UsageError(`dco ${argv[0]} needs one of: ${group.map(({ words }) => words[1]).join(", ")}`);
  }
  throw new UsageError(`there is no command ${printable(String(argv[0]))}; dco --help lists all`);
}

function parse(command: Command, words: readonly string[]): { values: Values; args: readonly string[] } {
  const specs: Readonly<Record<string, OptionSpec>> = { ...command.options, ...GLOBAL_OPTIONS };
  const own = command.passesRest ? words.slice(0, wordsBefore(words, specs)) : words;
  const passed = words.slice(own.length);
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short === undefined ? {} : { short }), ...(multiple ? { multiple } : {}) },
    ]),
  );
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...own], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message.split("\n")[0]);
  }
  const values = new Values(parsed.values);
  if (command.passesRest) return { values, args: passed };
  const { positionals } = parsed;
  if (!values.flag("help")) checkCount(command, positionals);
  return { values, args: positionals };
}

/** How many words stand before the command line that is passed on. */
function wordsBefore(words: readonly string[], specs: Readonly<Record<string, OptionSpec>>): number {
  let at = 0;
  while (at < words.length && words[at]?.startsWith("-") && words[at] !== "--") {
    at += specs[(words[at] as string).slice(2)]?.type === "string" ? 2 : 1;
  }
  return at;
}

function checkCount({ positionals, words }: Command, given: readonly string[]): void {
  const missing = positionals.find(({ optional }, at) => !optional && given[at] === undefined);
  if (missing !== undefined)
    throw new UsageError(`${missing.name} is missing; see dco ${words.join(" ")} --help`);
  if (given.length > positionals.length) {
    // They are not repeated: one may be a key that somebody took for an argument.
    const count = given.length - positionals.length;
    throw new UsageError(count === 1 ? "there is a word too many" : `there are ${count} words too many`);
  }
}

function sentence(error: unknown): string {
  if (!DcoError.is(error)) return error instanceof Error ? error.message : String(error);
  const text = error.kernelMessage?.text;
  const said = text && !error.message.includes(text) ? ` (the kernel says: ${text})` : "";
  // Names of interfaces and files are others' words.
  return `${error.message}${said}`.replace(/[\p{Cc}\p{Cf}]/gu, "?");
}

function plain(error: unknown): unknown {
  if (DcoError.is(error)) return error.toJSON();
  return { code: error instanceof UsageError ? "usage" : "system", message: sentence(error) };
}
