/**
 * `dco check`: can this configuration of OpenVPN use DCO?
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { checkCompatibility } from "../../core/compatibility/check.ts";
import { printable } from "../../core/compatibility/parse.ts";
import { readConfig } from "../../core/compatibility/read.ts";
import {
  COMPATIBILITY_PLATFORMS,
  type CompatibilityFinding,
  type CompatibilityReport,
} from "../../core/compatibility/types.ts";
import { readWord } from "../arguments.ts";
import type { Command, Context } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import type { Output } from "../output.ts";

const check: Command = {
  words: ["check"],
  summary: "can this configuration of OpenVPN use data channel offload?",
  details: [
    "Says for each platform which options stand in the way, with line, reason and replacement, and which mean something",
    "else with DCO. Exit status 0: it can, on all platforms asked for. 1: it cannot, on at least one.",
    `Platforms: ${COMPATIBILITY_PLATFORMS.join(", ")}.`,
  ],
  positionals: [
    { name: "FILE", help: "configuration of a client, a server, or one of two equals", kind: "file" },
  ],
  options: {
    platform: {
      type: "string",
      short: "p",
      multiple: true,
      value: "PLATFORM",
      choices: COMPATIBILITY_PLATFORMS,
      help: "only this one; may be repeated, or have several with commas (default: all)",
    },
    directory: {
      type: "string",
      value: "FOLDER",
      help: "where OpenVPN is started (default: the file's folder)",
    },
    here: { type: "boolean", help: "Linux: names of interfaces that this machine has are taken" },
  },
  examples: ["dco check /etc/openvpn/server.conf", "dco check client.ovpn --platform windows,linux --json"],
  async run({ args, values, output }: Context) {
    const named = values.list("platform").flatMap((each) => each.split(","));
    const platforms = named.map((each) => readWord(each, "--platform", COMPATIBILITY_PLATFORMS));
    const directory = values.text("directory");
    const directives = readConfig(args[0] ?? "", directory === undefined ? {} : { directory });
    const reports = checkCompatibility({
      directives,
      ...(platforms.length > 0 ? { platforms } : {}),
      ...(values.flag("here") ? { interfaces: interfacesHere() } : {}),
    });
    output.value(reports);
    for (const report of reports) tell(output, report, dirname(resolve(args[0] ?? "")));
    return reports.every(({ compatible }) => compatible) ? EXIT.ok : EXIT.no;
  },
};

function tell(
  output: Output,
  { platform, role, compatible, findings }: CompatibilityReport,
  folder: string,
): void {
  output.line(`${platform}: this ${role} ${compatible ? "can use" : "cannot use"} data channel offload`);
  for (const finding of findings) {
    output.line(
      `  ${finding.effect === "blocks" ? "stands in the way" : "changes"}: ${title(finding, folder)}`,
    );
    output.line(`    ${finding.reason}`);
    output.line(`    instead: ${finding.replacement}`);
  }
}

function title({ option, value, file, line }: CompatibilityFinding, folder: string): string {
  const place =
    file === undefined ? "" : `${file.startsWith(`${folder}/`) ? file.slice(folder.length + 1) : file}:`;
  const words = printable(value === undefined ? option : `${option} ${value}`);
  return line === undefined ? words : `${words} (${printable(place)}${line})`;
}

/** Which names are taken on this machine, and by what. */
function interfacesHere(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of interfaceNames()) {
    try {
      const uevent = readFileSync(`/sys/class/net/${name}/uevent`, "utf8");
      found[name] = /^DEVTYPE=(.+)$/m.exec(uevent)?.[1] ?? "other";
    } catch {
      // It went meanwhile.
    }
  }
  return found;
}

function interfaceNames(): string[] {
  try {
    return readdirSync("/sys/class/net");
  } catch {
    // Not Linux.
    return [];
  }
}

export const CHECK_COMMANDS: readonly Command[] = [check];
