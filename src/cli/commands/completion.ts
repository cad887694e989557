/**
 * `dco completion`: what a shell needs to complete the command line.
 */
import { readWord } from "../arguments.ts";
import type { Command } from "../command.ts";
import { complete } from "../completion.ts";
import { EXIT } from "../exit-codes.ts";

const SHELLS = ["bash", "zsh"] as const;

const completion: Command = {
  words: ["completion"],
  summary: "write the script by which bash or zsh completes this command line",
  positionals: [{ name: "SHELL", help: "bash or zsh", choices: SHELLS }],
  options: {},
  examples: ["source <(dco completion bash)", "dco completion zsh > ~/.zsh/functions/_dco"],
  async run({ args, output, commands }) {
    output.raw(complete(readWord(args[0], "SHELL", SHELLS), commands));
    return EXIT.ok;
  },
};

export const COMPLETION_COMMANDS: readonly Command[] = [completion];
