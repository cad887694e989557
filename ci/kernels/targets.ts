/** The kernels that the suite can be run on: what Debian's package index has. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { inRoot } from "../paths.ts";

/** A kernel, and the module that is tested on it. */
export interface Target {
  /** Its line, `7.2`, or `6.1 ovpn-dco-v2`. */
  readonly name: string;
  /** As `uname -r` says. */
  readonly version: string;
  /** Where Debian has it. */
  readonly suite: string;
  /** Suites to look in for it. */
  readonly suites: readonly string[];
  readonly legacy: boolean;
  /** Why it cannot be had; undefined where it can. */
  readonly missing: string | undefined;
}

/** Oldest first. The newest of stable, of what is about to be it, and of what is tried out. */
const IN_TREE = [["trixie", "trixie-backports"], ["sid"], ["experimental"]];

/** The two kernels of Debian releases that have openvpn-dco-dkms; see ci/legacy. */
const LEGACY = [
  { pattern: "6.1", suites: ["bookworm"] },
  { pattern: "6.12", suites: ["trixie", "trixie-backports"] },
] as const;

/** The first line with the in-tree module. */
const FIRST = [6, 16] as const;

/** All of them. Of a line that several suites have, each has its own. */
export async function findTargets(): Promise<Target[]> {
  const found: Target[] = [];
  for (const { pattern, suites } of LEGACY) {
    const [row] = await list(suites, pattern);
    if (row) found.push({ ...row, name: `${row.name} ovpn-dco-v2`, suites, legacy: true });
  }
  const inTree: Target[] = [];
  for (const suites of IN_TREE) {
    for (const row of await list(suites, "latest")) {
      if (hasModule(row.name)) inTree.push({ ...row, suites, legacy: false });
    }
  }
  inTree.sort((one, other) => compare(one.version, other.version));
  // The same package may be in two suites.
  const versions = new Set<string>();
  for (const target of inTree) {
    if (versions.has(target.version)) continue;
    versions.add(target.version);
    const same = inTree.filter(({ name }) => name === target.name).length > 1;
    found.push(same ? { ...target, name: `${target.name} ${target.suite}` } : target);
  }
  return found;
}

type Row = Pick<Target, "name" | "version" | "suite" | "missing">;

/** The newest kernel of each line. */
async function list(suites: readonly string[], pattern: string): Promise<Row[]> {
  const options = suites.flatMap((suite) => ["--suite", suite]);
  const { stdout } = await promisify(execFile)("bash", [
    inRoot("ci", "vm", "kernel"),
    ...options,
    "--list",
    pattern,
  ]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", version = "", suite = "", state = ""] = line.split("\t");
      return { name, version, suite, missing: state === "ok" ? undefined : state };
    });
}

function hasModule(line: string): boolean {
  const [major = 0, minor = 0] = line.split(".").map(Number);
  return major > FIRST[0] || (major === FIRST[0] && minor >= FIRST[1]);
}

function compare(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}
