/**
 * What the SDK tells about itself: diagnostics channels, and the wire trace.
 *
 * Channels of `node:diagnostics_channel`, a documented contract:
 * - `dcokit:request`: `{ backend, interface, operation, target }` when a verb is called;
 * - `dcokit:event`: `{ backend, interface, event }` for every {@link DcoEvent};
 * - `dcokit:error`: `{ backend, interface, operation, target, error }` when a verb fails;
 * - `dcokit:wire`: a {@link WireEntry} for every message to and from a kernel.
 * Key bytes are in none of them.
 */
import { channel } from "node:diagnostics_channel";
import type { DcoError } from "./errors.ts";
import type { DcoEvent } from "./model.ts";

/** One message between the SDK and a kernel. */
export interface WireEntry {
  readonly backend: string;
  readonly direction: "request" | "reply" | "event";
  /** The message as plain data, key bytes replaced by their length. */
  readonly message: unknown;
  /** The message's bytes in hex, those of keys as `**`. */
  readonly hex: string;
}

/** Takes the wire trace. */
export type WireTrace = (entry: WireEntry) => void;

const requests = channel("dcokit:request");
const events = channel("dcokit:event");
const errors = channel("dcokit:error");
const wire = channel("dcokit:wire");

/** Whether anybody listens to {@link publishRequest}: asked before its arguments are made. */
export function requestsAreWanted(): boolean {
  return requests.hasSubscribers;
}

/** Publishes that a verb was called. */
export function publishRequest(
  backend: string,
  dco: string | undefined,
  operation: string,
  target?: string,
): void {
  requests.publish({ backend, interface: dco, operation, target });
}

/** Publishes an event. */
export function publishEvent(backend: string, dco: string, event: DcoEvent): void {
  if (events.hasSubscribers) events.publish({ backend, interface: dco, event });
}

/** Publishes that a verb failed. */
export function publishError(backend: string, dco: string | undefined, error: DcoError): void {
  if (!errors.hasSubscribers) return;
  errors.publish({ backend, interface: dco, operation: error.operation, target: error.target, error });
}

/** Sends wire entries to where they are wanted; `wanted` is cheap to ask before an entry is made. */
export class WireTracer {
  readonly #callback: WireTrace | undefined;

  /** @param callback the caller's; without one, `DCO_TRACE=1` writes to stderr */
  constructor(callback: WireTrace | undefined) {
    this.#callback = callback ?? (process.env["DCO_TRACE"] === "1" ? writeToStderr : undefined);
  }

  get wanted(): boolean {
    return this.#callback !== undefined || wire.hasSubscribers;
  }

  write(entry: WireEntry): void {
    if (wire.hasSubscribers) wire.publish(entry);
    try {
      this.#callback?.(entry);
    } catch {
      // A faulty trace must not change what is traced.
    }
  }
}

function writeToStderr(entry: WireEntry): void {
  const text = JSON.stringify(entry.message, (_, value) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  process.stderr.write(`dco ${entry.backend} ${entry.direction} ${text}\n    ${entry.hex}\n`);
}
