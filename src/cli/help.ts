/**
 * What `--help` says.
 */
import { type Command, GLOBAL_OPTIONS, type OptionSpec } from "./command.ts";
import { COMMANDS } from "./commands/index.ts";

const EXIT_CODES = `Exit status
  0 done, or yes      1 no (check, doctor, conformance)   2 wrong command line or option   3 not there
  4 there already     5 not permitted           6 no DCO here                     7 this kernel cannot
  8 any other failure                           130 interrupted before it was done`;

/** The list of commands. */
export function overview(): string {
  const rows = COMMANDS.map((command) => [usage(command), command.summary] as const);
  const width = Math.max(...rows.map(([left]) => left.length));
  const list = rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
  return `dco: OpenVPN data channel offload of this machine's kernel

usage: dco COMMAND [ARGUMENTS] [OPTIONS]

${list}

Options of every command
${options(GLOBAL_OPTIONS)}

Examples
  dco doctor                          is DCO usable here, and if not, what is to be done?
  dco check /etc/openvpn/server.conf  can this configuration use it?
  dco top tun0                        who is using it

\`dco COMMAND --help\` explains a command, with examples. \`dco completion bash\` and \`dco completion zsh\` write what the
shell needs to complete commands.

${EXIT_CODES}
`;
}

/** All about one command. */
export function explain(command: Command): string {
  const parts = [`${usage(command)}\n  ${command.summary}`];
  if (command.details !== undefined) parts.push(command.details.map((line) => `  ${line}`).join("\n"));
  if (command.positionals.length > 0) {
    parts.push(`Arguments\n${rows(command.positionals.map(({ name, help }) => [name, help]))}`);
  }
  if (Object.keys(command.options).length > 0) parts.push(`Options\n${options(command.options)}`);
  parts.push(`Options of every command\n${options(GLOBAL_OPTIONS)}`);
  parts.push(`Examples\n${command.examples.map((each) => `  ${each}`).join("\n")}`);
  return `${parts.join("\n\n")}\n`;
}

/** `dco peer set INTERFACE PEER [OPTIONS]` without `dco`. */
export function usage({ words, positionals }: Command): string {
  return [...words, ...positionals.map(({ name, optional }) => (optional ? `[${name}]` : name))].join(" ");
}

function options(specs: Readonly<Record<string, OptionSpec>>): string {
  return rows(
    Object.entries(specs).map(([name, { short, value, help }]) => [
      `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`,
      help,
    ]),
  );
}

function rows(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([left]) => left.length));
  return pairs.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}
