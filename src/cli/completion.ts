/**
 * Scripts for completion. Both are made of the commands themselves, so they know what the program knows.
 */
import { type Command, GLOBAL_OPTIONS, type OptionSpec, type PositionalSpec } from "./command.ts";

/** The script for a shell. */
export function complete(shell: "bash" | "zsh", commands: readonly Command[]): string {
  const [head, tail] = shell === "bash" ? bash(commands) : zsh(commands);
  return `${head}${cases(commands, "  ")}${tail}`;
}

/**
 * A `case` over the words before the one that is completed, which sets `words`, or `kind` to `interface` or `file`. The
 * same text does for both shells.
 */
function cases(commands: readonly Command[], indent: string): string {
  const groups = [
    ...new Set(commands.filter(({ words }) => words.length > 1).map(({ words }) => words[0] as string)),
  ];
  const firsts = [...new Set(commands.map(({ words }) => words[0] as string))];
  const lines = [`case "$command" in`];
  for (const command of commands) lines.push(...commandCase(command).map((line) => `  ${line}`));
  for (const group of groups) {
    const seconds = commands
      .filter(({ words }) => words[0] === group && words.length > 1)
      .map(({ words }) => words[1]);
    lines.push(`  "${group}") candidates="${seconds.join(" ")}" ;;`);
  }
  lines.push(`  "") candidates="${firsts.join(" ")} help" ;;`, "esac");
  return lines.map((line) => `${indent}${line}\n`).join("");
}

function commandCase({ words, positionals, options }: Command): string[] {
  const all: Readonly<Record<string, OptionSpec>> = { ...options, ...GLOBAL_OPTIONS };
  const names = Object.keys(all).map((name) => `--${name}`);
  const valued = Object.entries(all).filter(([, { type }]) => type === "string");
  const lines = [`"${words.join(" ")}")`, `  flags="${names.join(" ")}"`, `  case "$previous" in`];
  for (const [name, { choices, file }] of valued) {
    lines.push(
      `    --${name}) ${file ? "kind=file" : `candidates="${(choices ?? []).join(" ")}" kind=value`} ;;`,
    );
  }
  lines.push(`    *) case "$position" in`);
  for (const [at, positional] of positionals.entries()) lines.push(`      ${at}) ${offer(positional)} ;;`);
  return [...lines, "      esac ;;", "  esac", "  ;;"];
}

function offer({ choices, kind }: PositionalSpec): string {
  return choices !== undefined
    ? `candidates="${choices.join(" ")}"`
    : kind === undefined
      ? ":"
      : `kind=${kind}`;
}

/** Options that take a value: the word after them is no argument. */
function valuedOptions(commands: readonly Command[]): string {
  const all = [...commands.map(({ options }) => options), GLOBAL_OPTIONS];
  const names = all.flatMap((options) =>
    Object.entries(options).flatMap(([name, { type }]) => (type === "string" ? [`--${name}`] : [])),
  );
  return [...new Set(names)].join("|");
}

/** Words that begin a command of two words. */
function groups(commands: readonly Command[]): string {
  return [...new Set(commands.filter(({ words }) => words.length > 1).map(({ words }) => words[0]))].join(
    "|",
  );
}

/** @param list, current what stands within `${...}` in that shell */
const readWords = (
  commands: readonly Command[],
  list: string,
  current: string,
) => `  local word command="" position=0 previous="" skip=""
  local candidates="" kind="" flags=""
  for word in "\${${list}}"; do
    previous="$word"
    if [ -n "$skip" ]; then skip=""; continue; fi
    case "$word" in
      ${valuedOptions(commands)}) skip=1 ;;
      -*) ;;
      *)
        case "$command" in
          "") command="$word" ;;
          ${groups(commands)}) command="$command $word" ;;
          *) position=$((position + 1)) ;;
        esac ;;
    esac
  done
  [ -n "$skip" ] || previous=""
  local current="\${${current}}"
`;

const bash = (commands: readonly Command[]) => [
  `# bash completion for dco; load it with: source <(dco completion bash)
_dco() {
${readWords(commands, "COMP_WORDS[@]:1:COMP_CWORD-1", "COMP_WORDS[COMP_CWORD]")}`,
  `  case "$current" in
    -*) [ "$kind" = value ] || { candidates="$flags"; kind=flags; } ;;
  esac
  if [ "$kind" = file ]; then
    COMPREPLY=($(compgen -f -- "$current"))
    return
  fi
  [ "$kind" != interface ] || candidates="$(dco interfaces --json 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d '"' -f 4)"
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}
complete -F _dco dco
`,
];

const zsh = (commands: readonly Command[]) => [
  `#compdef dco
# zsh completion for dco; put it into a folder of $fpath as _dco
_dco() {
  emulate -L zsh
${readWords(commands, "(@)words[2,CURRENT-1]", "words[CURRENT]")}`,
  `  case "$current" in
    -*) [ "$kind" = value ] || { candidates="$flags"; kind=flags; } ;;
  esac
  if [ "$kind" = file ]; then
    _files
    return
  fi
  [ "$kind" != interface ] || candidates="$(dco interfaces --json 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d '"' -f 4)"
  compadd -- \${=candidates}
}
if [ "$funcstack[1]" = _dco ]; then _dco "$@"; else compdef _dco dco; fi
`,
];
