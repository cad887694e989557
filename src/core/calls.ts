/**
 * What every verb has in common: it is published, can be aborted, ends with what it was made on, and fails
 * with a `DcoError` that names the verb and its target.
 */
import { DcoError, describeError, type Effect } from "./errors.ts";
import { Lifetime, throwIfAborted } from "./lifetime.ts";
import type { Maybe } from "./maybe.ts";
import { sinceTurn } from "./pace.ts";
import { publishError, publishRequest, requestsAreWanted } from "./trace.ts";
import { validateCallOptions } from "./validate.ts";

/** A call: its name, what it is applied to, and the caller's options. */
export interface Call<T> {
  readonly operation: string;
  readonly target?: string | undefined;
  /** Instead of a target: the id of the peer that it is about, as the caller gave it. */
  readonly peer?: unknown;
  readonly options: unknown;
  /** How the signal is found in `options`; default: they hold nothing else. */
  readonly readSignal?: (options: unknown) => AbortSignal | undefined;
  /** Takes back a result that came after the call was aborted or its object closed. */
  readonly undo?: (result: T) => Promise<unknown>;
  /** Called if the call is refused before its body has run. */
  readonly refused?: () => void;
  /** What the error of an abort says while the kernel is at work; default `none` with `undo`, else `unknown`. */
  readonly abortEffect?: Effect;
}

/** Makes the calls of one driver or interface. */
export class Calls {
  readonly lifetime: Lifetime;
  readonly #backend: string;
  readonly #dco: string | undefined;
  readonly #readOnly: boolean;

  /**
   * @param dco the interface's name; undefined for the driver
   * @param readOnly changes are refused
   */
  constructor(what: string, backend: string, dco?: string, readOnly = false) {
    this.lifetime = new Lifetime(what);
    this.#backend = backend;
    this.#dco = dco;
    this.#readOnly = readOnly;
  }

  /** A call that only asks. */
  ask<T>(call: Call<T>, body: (signal: AbortSignal | undefined) => Maybe<T>): Promise<T> {
    return this.#run(call, body, false);
  }

  /** A call that changes something. */
  change<T>(call: Call<T>, body: (signal: AbortSignal | undefined) => Maybe<T>): Promise<T> {
    return this.#run(call, body, this.#readOnly);
  }

  async #run<T>(
    call: Call<T>,
    body: (signal: AbortSignal | undefined) => Maybe<T>,
    forbidden: boolean,
  ): Promise<T> {
    const { options, readSignal = validateCallOptions } = call;
    let begun = false;
    try {
      if (requestsAreWanted()) publishRequest(this.#backend, this.#dco, call.operation, targetOf(call));
      const signal = readSignal(options);
      this.lifetime.check();
      throwIfAborted(signal);
      if (forbidden) {
        throw new DcoError("permission", `interface ${this.#dco} is only observed`, { effect: "none" });
      }
      begun = true;
      const work = body(signal);
      const result = work instanceof Promise ? await this.#guarded(call, work, signal) : work;
      const pause = sinceTurn.pause();
      if (pause) await pause;
      return result;
    } catch (error) {
      if (!begun) call.refused?.();
      const failure = describeError(error, call.operation, targetOf(call));
      publishError(this.#backend, this.#dco, failure);
      throw failure;
    }
  }

  #guarded<T>(call: Call<T>, work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { undo, abortEffect = undo ? "none" : "unknown" } = call;
    return this.lifetime.guard(work, signal, { undo, abortEffect });
  }
}

/** Made only where it is told. What was given instead of an id is not repeated: it may be a key. */
function targetOf(call: Pick<Call<never>, "target" | "peer">): string | undefined {
  if (!("peer" in call)) return call.target;
  return typeof call.peer === "number" ? `peer ${call.peer}` : "peer";
}

/** A field of options that are not checked yet: they may be of any kind, and are refused where they are checked. */
export function peek(options: unknown, field: string): unknown {
  try {
    return (options as Readonly<Record<string, unknown>>)[field];
  } catch {
    return undefined;
  }
}
