/**
 * What a key schedule takes and gives.
 */
import type { Capabilities } from "./capabilities.ts";
import type { DcoInterface } from "./contract.ts";
import type { RekeyLimits } from "./key-usage.ts";
import type { KeyInfo, KeyOptions } from "./model.ts";

/** The verbs that a schedule drives. */
export type KeyScheduleTarget = Pick<DcoInterface, "installKey" | "swapKeys" | "deleteKey">;

/** Options of {@link KeySchedule}. */
export interface KeyScheduleOptions {
  readonly capabilities: Pick<Capabilities, "deleteKey">;
  readonly limits?: RekeyLimits;
  /** What the slots of an adopted peer hold; see `dco.keys`. Default: nothing. */
  readonly installed?: readonly KeyInfo[];
  /** Milliseconds from any fixed point, never going back. Default `performance.now`. */
  readonly clock?: () => number;
}

/** A key to install. Its slot is the schedule's to choose. */
export interface ScheduledKey extends Omit<KeyOptions, "slot" | "id"> {
  /** The key id that both ends agreed on. Default: the next one in OpenVPN's order (`state.nextId`). */
  readonly id?: number;
}

/** Which keys the control channel has at the moment. */
export interface KeyChoice {
  /** The key to encrypt with; undefined if no key is usable any more. */
  readonly encrypt: number | undefined;
  /** All keys that may be in use, the newest first. Besides `encrypt`, only the first of them keeps its slot. */
  readonly valid: readonly number[];
}

/** What a schedule believes. */
export interface KeyScheduleState {
  /** Key ids in the slots; undefined for an empty slot, and for one whose key is not wanted any more. */
  readonly primary: number | undefined;
  readonly secondary: number | undefined;
  /** The id that the next key gets. */
  readonly nextId: number;
  /** False after a failure that leaves open which key encrypts. Only `deleteAll` goes on from there. */
  readonly inStep: boolean;
}

/** Whether to negotiate a new key. */
export interface RekeyAdvice {
  readonly rekey: boolean;
  /** `bytes` includes the usage limit of AES-GCM; `exhausted`: no key is left to encrypt with. */
  readonly reason: "time" | "bytes" | "packets" | "exhausted" | undefined;
  /** The key that encrypts. */
  readonly keyId: number | undefined;
}
