/**
 * Writes what is generated in docs/contract.md: the table of capabilities, from the functions that the backends
 * have for them. `node ci/docs.ts` rewrites it; a unit test fails when it is stale.
 */
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Capabilities } from "../src/core/capabilities.ts";
import { freebsdCapabilities } from "../src/freebsd/capabilities.ts";
import { ovpnCapabilities } from "../src/linux/capabilities.ts";
import { legacyCapabilities } from "../src/linux/legacy/capabilities.ts";
import { userspaceCapabilities } from "../src/userspace/capabilities.ts";
import { windowsCapabilities } from "../src/windows/capabilities.ts";
import { inRoot } from "./paths.ts";

const PAGE = inRoot("docs", "contract.md");
const BEGIN = "<!-- capabilities: written by ci/docs.ts -->";
const END = "<!-- end of capabilities -->";

/** Capabilities under some circumstance; the first of a column is what the others are compared with. */
type Variant = readonly [when: string, capabilities: Capabilities];

const windows = (
  major: number,
  minor: number,
  mode: "p2p" | "multipeer",
  { chacha20 = true, elevated = true } = {},
) => windowsCapabilities({ version: { major, minor }, chacha20, elevated }, mode);
const freebsd = (floats: boolean, replayProtection: boolean) =>
  freebsdCapabilities({ floats, replayProtection });
const userspace = ({ tun = false, tunDevice = true, nativeSockets = true, chacha20 = true } = {}) =>
  userspaceCapabilities({ tun, tunDevice, nativeSockets, chacha20 });

/** Circumstances that all Windows machines share. */
const onWindows = (mode: "p2p" | "multipeer"): Variant[] => [
  ["Windows 10", windows(2, 8, mode, { chacha20: false })],
  ["not elevated", windows(2, 8, mode, { elevated: false })],
];

const COLUMNS: readonly (readonly [title: string, variants: readonly Variant[]])[] = [
  [
    "Linux `ovpn`",
    [
      ["7.1", ovpnCapabilities(true)],
      ["before 7.1", ovpnCapabilities(false)],
    ],
  ],
  [
    "Linux `ovpn-dco-v2`",
    [
      ["multipeer", legacyCapabilities("multipeer")],
      ["p2p", legacyCapabilities("p2p")],
    ],
  ],
  [
    "FreeBSD `if_ovpn`",
    [
      ["15", freebsd(true, false)],
      ["14", freebsd(false, false)],
      ["net.link.openvpn.replay_protection=1", freebsd(true, true)],
    ],
  ],
  ["Windows p2p", [["2.8", windows(2, 8, "p2p")], ["before 2.5", windows(1, 3, "p2p")], ...onWindows("p2p")]],
  [
    "Windows multipeer",
    [
      ["2.8", windows(2, 8, "multipeer")],
      ["2.6", windows(2, 6, "multipeer")],
      ["2.5", windows(2, 5, "multipeer")],
      ...onWindows("multipeer"),
    ],
  ],
  [
    "userspace",
    [
      ["stream", userspace()],
      ["TUN device", userspace({ tun: true })],
      ["not on Linux", userspace({ tunDevice: false, nativeSockets: false })],
      ["OpenSSL without it", userspace({ chacha20: false })],
    ],
  ],
];

/** The table, as Markdown. */
export function capabilityTable(): string {
  const titles = COLUMNS.map(([title]) => title);
  const rows = meanings().map(([name, meaning]) => {
    const cells = COLUMNS.map(([, variants]) => cell(name, variants));
    return `| \`${name}\` | ${meaning} | ${cells.join(" | ")} |`;
  });
  return [
    `| capability | meaning | ${titles.join(" | ")} |`,
    `|---|---|${titles.map(() => "---|").join("")}`,
    ...rows,
  ].join("\n");
}

/** The page with a fresh table. */
export function withFreshTable(page: string): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error("docs/contract.md has lost the markers of its generated table");
  return `${page.slice(0, from + BEGIN.length)}\n${capabilityTable()}\n${page.slice(to)}`;
}

/** The names of the capabilities with their docstrings, from the one list. */
function meanings(): [name: keyof Capabilities, meaning: string][] {
  const source = readFileSync(inRoot("src", "core", "capabilities.ts"), "utf8");
  const list = source.slice(source.indexOf("export interface Capabilities"));
  const found = [...list.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s+readonly (\w+):/g)];
  return found.map(([, comment, name]) => [
    name as keyof Capabilities,
    (comment as string).replace(/\s*\n\s*\*\s*/g, " ").trim(),
  ]);
}

/** The value of the first variant, then those that differ, each with when. */
function cell(name: keyof Capabilities, variants: readonly Variant[]): string {
  const usual = text(variants[0]?.[1][name]);
  const others = new Map<string, string[]>();
  for (const [when, capabilities] of variants) {
    const value = text(capabilities[name]);
    if (value !== usual) others.set(value, [...(others.get(value) ?? []), when]);
  }
  return [usual, ...[...others].map(([value, when]) => `${when.join(", ")}: ${value}`)].join("; ");
}

function text(value: Capabilities[keyof Capabilities]): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (value === undefined) return "a buffer in bytes";
  if (value === Number.MAX_SAFE_INTEGER) return "no limit";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return `\`${value}\``;
  if ("default" in value) return `${value.min} to ${value.max}, default ${value.default}`;
  return value.length === 0 ? "none" : value.map((item) => `\`${item}\``).join(", ");
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  writeFileSync(PAGE, withFreshTable(readFileSync(PAGE, "utf8")));
}
