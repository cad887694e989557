/**
 * `dco trace`: the messages between another command and the kernel.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { WireEntry } from "../../core/trace.ts";
import type { Command, Context } from "../command.ts";
import { EXIT, UsageError } from "../exit-codes.ts";
import { toJson } from "../output.ts";

const trace: Command = {
  words: ["trace"],
  summary: "run another command, and show its messages to and from the kernel",
  details: [
    "Each message is decoded and in hex, on standard error; bytes of keys are left out. After -- any program that uses",
    "dcokit can stand. The exit status is that of the command, or 128 and the number of the signal that ended it.",
    "--json is about the messages; --namespace and --backend are words of the command, and stand behind it.",
  ],
  positionals: [{ name: "COMMAND...", help: "a command of dco with its words" }],
  options: { "no-hex": { type: "boolean", help: "only decoded" } },
  passesRest: true,
  examples: [
    "dco trace peers tun0",
    "dco trace key install tun0 7 --key-file server.key",
    "dco trace -- node server.js",
  ],
  async run(context) {
    const { args, values, output } = context;
    if (args.length === 0) throw new UsageError("which command is to be traced?");
    const misplaced = ["namespace", "backend"].find((name) => values.text(name) !== undefined);
    if (misplaced !== undefined) throw new UsageError(`--${misplaced} must stand behind the command`);
    if (args[0] === "--") return runProgram(context, args.slice(1));
    return context.nested(args, (entry) => output.note(format(entry, output.json, !values.flag("no-hex"))));
  },
};

function format({ backend, direction, message, hex }: WireEntry, json: boolean, withHex: boolean): string {
  if (json) return toJson({ backend, direction, message, ...(withHex ? { hex } : {}) });
  const arrow = { request: "->", reply: "<-", event: "<=" }[direction];
  return `${arrow} ${toJson(message)}${withHex ? `\n   ${hex}` : ""}`;
}

/** A program writes its messages to its own standard error. */
async function runProgram({ signal }: Context, [program, ...args]: readonly string[]): Promise<number> {
  if (program === undefined) throw new UsageError("which program is to be traced?");
  const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, DCO_TRACE: "1" } });
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", (error) =>
        reject(new UsageError(`${program} cannot be started: ${error.message}`)),
      );
      child.once("exit", (code, killed) =>
        resolve(code ?? (killed === null ? EXIT.failed : 128 + constants.signals[killed])),
      );
    });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

export const TRACE_COMMANDS: readonly Command[] = [trace];
