/**
 * `dco capabilities`
 */
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { openWatched } from "../interfaces.ts";
import { toJson } from "../output.ts";
import { INTERFACE } from "./interfaces.ts";

const capabilities: Command = {
  words: ["capabilities"],
  summary: "what this kernel, or one interface of it, can really do",
  positionals: [{ ...INTERFACE, optional: true, help: "what can be done with this one" }],
  options: {},
  examples: ["dco capabilities", "dco capabilities --json | jq .capabilities.ciphers"],
  async run(context) {
    const { args, output } = context;
    const driver = await context.driver();
    const found =
      args[0] === undefined ? driver.capabilities : (await openWatched(context, args[0])).capabilities;
    output.value({ driver: driver.info, capabilities: found });
    const { module, version, reason } = driver.info;
    output.line(`${module} ${version}: ${reason}`);
    const rows = Object.entries(found).map(([name, value]) => ({ name, value: describe(value) }));
    const columns = [
      { title: "capability", value: (row: { name: string }) => row.name },
      { title: "value", value: (row: { value: string }) => row.value },
    ];
    if (!output.json) output.table(rows, columns, "none");
    return EXIT.ok;
  },
};

function describe(value: unknown): string {
  if (value === undefined || value === null) return "not known";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.join(", ") || "none";
  return typeof value === "object" ? toJson(value) : String(value);
}

export const CAPABILITY_COMMANDS: readonly Command[] = [capabilities];
