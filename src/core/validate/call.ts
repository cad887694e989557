/**
 * The options that calls of all kinds share: signals, queues, progress.
 */
import { invalid } from "../errors.ts";
import type { BulkOptions } from "../model.ts";
import { INT_MAX, kindOf, readFields, readInteger } from "./shape.ts";

/** Events that may wait for a reader, unless it says otherwise. */
const DEFAULT_EVENT_QUEUE = 4096;

/** Checked options of `events`. */
export interface ValidatedEventOptions {
  readonly signal: AbortSignal | undefined;
  readonly queueLimit: number;
}

/** Checked options of the bulk calls. */
export interface ValidatedBulkOptions {
  readonly signal: AbortSignal | undefined;
  readonly onProgress: BulkOptions["onProgress"];
}

/** The `signal` of options that hold nothing else. */
export function validateCallOptions(call: unknown): AbortSignal | undefined {
  if (call === undefined) return undefined;
  return readSignal(readFields(call, ["signal"]).signal, "signal");
}

/** The `signal` among the options of a verb that has more, which are checked elsewhere. */
export function validateSignal(options: unknown): AbortSignal | undefined {
  if (typeof options !== "object" || options === null) return undefined;
  return readSignal((options as { readonly signal?: unknown }).signal, "signal");
}

/** Options of `events`; `queueLimit` has its default. */
export function validateEventOptions(options: unknown): ValidatedEventOptions {
  if (options === undefined) return { signal: undefined, queueLimit: DEFAULT_EVENT_QUEUE };
  const { signal, queueLimit } = readFields(options, ["signal", "queueLimit"]);
  return {
    signal: readSignal(signal, "signal"),
    queueLimit:
      queueLimit === undefined ? DEFAULT_EVENT_QUEUE : readInteger(queueLimit, "queueLimit", 1, INT_MAX),
  };
}

/** Options of `addPeers` and its like. */
export function validateBulkOptions(options: unknown): ValidatedBulkOptions {
  if (options === undefined) return { signal: undefined, onProgress: undefined };
  const { signal, onProgress } = readFields(options, ["signal", "onProgress"]);
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw invalid("onProgress", `must be a function, not ${kindOf(onProgress)}`);
  }
  return {
    signal: readSignal(signal, "signal"),
    onProgress: onProgress as BulkOptions["onProgress"],
  };
}

/** Takes every object that behaves as an AbortSignal, since other realms have classes of their own. */
export function readSignal(value: unknown, field: string): AbortSignal | undefined {
  if (value === undefined) return undefined;
  const signal = value as Partial<AbortSignal> | null;
  const fits =
    typeof signal === "object" &&
    signal !== null &&
    typeof signal.aborted === "boolean" &&
    typeof signal.addEventListener === "function" &&
    typeof signal.removeEventListener === "function";
  if (!fits) throw invalid(field, `must be an AbortSignal, not ${kindOf(value)}`);
  return value as AbortSignal;
}
