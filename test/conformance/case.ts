/**
 * One behaviour of the contract, as a case that any runner can run.
 */
import type { Capabilities } from "../../src/core/capabilities.ts";
import type { Sites, World } from "./world.ts";

/** A behaviour of the contract and how it is tried. */
export interface Case {
  /** The behaviour as a sentence in the contract's words; unique within its group. */
  readonly name: string;
  /** The topic. */
  readonly group: string;
  /** It is run over TCP as well: the tunnels that it opens do not care what carries them. */
  readonly overTcp?: boolean;
  /** Why this driver cannot be held to the behaviour, or undefined. The case is then reported as skipped. */
  readonly needs?: (capabilities: Capabilities, sites: Sites) => string | undefined;
  /** The deadline of `run`. Default {@link CASE_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
  /** Fails by throwing. What it opens is closed by the world, so it need not clean up. */
  run(world: World): Promise<void>;
}

/** Generous, because the machine may be emulated: a deadline ends a hang, it does not measure. */
export const CASE_TIMEOUT_MS = 60_000;

/** Gives cases of one topic their group. */
export function group(name: string, cases: readonly Omit<Case, "group">[]): Case[] {
  return cases.map((each) => ({ ...each, group: name }));
}
