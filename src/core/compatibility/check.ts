/**
 * The answer to: can this configuration use data channel offload?
 */
import { invalid } from "../errors.ts";
import {
  INT_MAX,
  readBoolean,
  readChoice,
  readFields,
  readInteger,
  readString,
  validateArray,
} from "../validate/shape.ts";
import { type Hit, RULES, type Rule } from "./rules.ts";
import { type Settings, settle } from "./settings.ts";
import {
  COMPATIBILITY_PLATFORMS,
  type CompatibilityFinding,
  type CompatibilityOptions,
  type CompatibilityPlatform,
  type CompatibilityReport,
  type ConfigDirective,
} from "./types.ts";

/**
 * Says for each platform whether OpenVPN would use data channel offload with these options, and which stand in the way,
 * by OpenVPN's own rules. Pure: what the machine has is not looked at.
 *
 * Errors: `invalid`.
 */
export function checkCompatibility(options: CompatibilityOptions): CompatibilityReport[] {
  const fields = readFields(options, ["directives", "platforms", "interfaces"]);
  const directives = readEach(fields.directives, "directives", (each, path) => readDirective(each, path));
  const platforms = readEach(fields.platforms ?? COMPATIBILITY_PLATFORMS, "platforms", (each, path) =>
    readChoice(each, path, COMPATIBILITY_PLATFORMS),
  );
  const interfaces = readInterfaces(fields.interfaces);
  const settings = settle(directives);
  return platforms.map((platform) => report(settings, platform, interfaces));
}

function report(
  settings: Settings,
  platform: CompatibilityPlatform,
  interfaces: ReadonlyMap<string, string>,
): CompatibilityReport {
  const findings = RULES.filter(({ platforms }) => platforms.includes(platform)).flatMap((rule) =>
    rule.find(settings, { platform, interfaces }).map((hit) => finding(rule, hit, platform)),
  );
  const compatible = !findings.some(({ effect }) => effect === "blocks");
  return { platform, role: settings.role, compatible, findings };
}

function finding(
  rule: Rule,
  { at, value, missing }: Hit,
  platform: CompatibilityPlatform,
): CompatibilityFinding {
  const { id, effect, option, reason, replacement, source } = rule;
  return {
    rule: id,
    effect,
    option: at === undefined || missing ? option : at.name,
    ...(value === undefined ? {} : { value }),
    ...(at?.file === undefined ? {} : { file: at.file }),
    ...(at?.line === undefined ? {} : { line: at.line }),
    reason,
    replacement: typeof replacement === "string" ? replacement : replacement[platform],
    source,
  };
}

function readDirective(value: unknown, path: string, inBlock = false): ConfigDirective {
  const fields = readFields(value, ["name", "args", "inline", "block", "file", "line"], path);
  const { inline, file, line, block } = fields;
  if (block !== undefined && inBlock) throw invalid(`${path}.block`, "blocks do not stand in blocks");
  return {
    name: readString(fields.name, `${path}.name`),
    args: readEach(fields.args, `${path}.args`, readString),
    ...(inline === undefined ? {} : { inline: readBoolean(inline, `${path}.inline`) }),
    ...(file === undefined ? {} : { file: readString(file, `${path}.file`) }),
    ...(line === undefined ? {} : { line: readInteger(line, `${path}.line`, 1, INT_MAX) }),
    ...(block === undefined
      ? {}
      : { block: readEach(block, `${path}.block`, (each, at) => readDirective(each, at, true)) }),
  };
}

function readEach<T>(value: unknown, path: string, read: (value: unknown, path: string) => T): T[] {
  return validateArray(value, path).map((each, index) => read(each, `${path}[${index}]`));
}

function readInterfaces(value: unknown): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid("interfaces", "must be an object of names and kinds");
  }
  const wrong = Object.entries(value).find(([, kind]) => typeof kind !== "string");
  if (wrong !== undefined) throw invalid("interfaces", "must have kinds that are strings");
  return new Map(Object.entries(value as Record<string, string>));
}
