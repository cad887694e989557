/**
 * Can a configuration of OpenVPN use data channel offload? The words of the question and of the answer.
 */

/** Whose offload: the in-tree module, the module before it (with OpenVPN 2.6), and the two other systems. */
export const COMPATIBILITY_PLATFORMS = ["linux", "linux-dco-v2", "freebsd", "windows"] as const;

/** One of {@link COMPATIBILITY_PLATFORMS}. All but `linux-dco-v2` are as OpenVPN 2.7 uses them. */
export type CompatibilityPlatform = (typeof COMPATIBILITY_PLATFORMS)[number];

/** One option of a configuration, as OpenVPN reads it. */
export interface ConfigDirective {
  /** Without the leading `--`. */
  readonly name: string;
  /** What follows it on the line, quotes and backslashes resolved. */
  readonly args: readonly string[];
  /** It came as a block (`<ca>`), whose content is not kept: it may hold a key. */
  readonly inline?: boolean;
  /** The options of a `<connection>` block. */
  readonly block?: readonly ConfigDirective[];
  /** The file that it stands in, as it was named; undefined for options of a program. */
  readonly file?: string;
  /** Counted from 1. */
  readonly line?: number;
}

/** What is to be checked. */
export interface CompatibilityOptions {
  /** In their order; see {@link parseConfig} and {@link readConfig}. */
  readonly directives: readonly ConfigDirective[];
  /** Default: all. */
  readonly platforms?: readonly CompatibilityPlatform[];
  /**
   * Interfaces that are there already, name to kind (`ovpn`, `tun`, ...): a fixed name of one that is no DCO interface
   * rules DCO out on Linux. Default: none.
   */
  readonly interfaces?: Readonly<Record<string, string>>;
}

/** `blocks`: OpenVPN falls back to its own data channel. `changes`: DCO is used, and the option means less or nothing. */
export type CompatibilityEffect = "blocks" | "changes";

/** One thing that stands in the way, or that changes. */
export interface CompatibilityFinding {
  /** The stable name of the rule. */
  readonly rule: string;
  readonly effect: CompatibilityEffect;
  /** The option, without `--`. What is missing is named as well; `file` and `line` are then of what needs it, if any. */
  readonly option: string;
  /** The option's words that matter, where they are no secret. */
  readonly value?: string;
  readonly file?: string;
  readonly line?: number;
  readonly reason: string;
  /** What to write, or to use, instead. */
  readonly replacement: string;
  /** Where the rule comes from. */
  readonly source: string;
}

/** How OpenVPN would run: with many clients, as one of them, or with one other that is its equal. */
export type ConfigRole = "server" | "client" | "p2p";

/** The answer for one platform. */
export interface CompatibilityReport {
  readonly platform: CompatibilityPlatform;
  readonly role: ConfigRole;
  /** No finding blocks. */
  readonly compatible: boolean;
  readonly findings: readonly CompatibilityFinding[];
}
