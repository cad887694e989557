/**
 * What every verb has in common: it is published, can be aborted, ends with what it was made on, and fails
 * with a `DcoError` that names the verb and its target.
 */
import { DcoError, describeError, type Effect } from "./errors.ts";
import { Lifetime, throwIfAborted } from "./lifetime.ts";
import { sinceTurn } from "./pace.ts";
import { publishError, publishRequest } from "./trace.ts";
import { validateCallOptions } from "./validate.ts";

/** A call: its name, what it is applied to, and the caller's options. */
export interface Call<T> {
  readonly operation: string;
  readonly target?: string | undefined;
  readonly options: unknown;
  /** How the signal is found in `options`; default: they hold nothing else. */
  readonly readSignal?: (options: unknown) => AbortSignal | undefined;
  /** Takes back a result that came after the call was aborted or its object closed. */
  readonly undo?: (result: T) => Promise<unknown>;
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
  async ask<T>(call: Call<T>, body: (signal: AbortSignal | undefined) => Promise<T>): Promise<T> {
    const { operation, target, options, readSignal = validateCallOptions, undo } = call;
    const { abortEffect = undo ? "none" : "unknown" } = call;
    publishRequest(this.#backend, this.#dco, operation, target);
    try {
      const signal = readSignal(options);
      this.lifetime.check();
      throwIfAborted(signal);
      const result = await this.lifetime.guard(body(signal), signal, { undo, abortEffect });
      const pause = sinceTurn.pause();
      if (pause) await pause;
      return result;
    } catch (error) {
      const failure = describeError(error, operation, target);
      publishError(this.#backend, this.#dco, failure);
      throw failure;
    }
  }

  /** A call that changes something. */
  change<T>(call: Call<T>, body: (signal: AbortSignal | undefined) => Promise<T>): Promise<T> {
    return this.ask(call, (signal) => {
      if (this.#readOnly) {
        throw new DcoError("permission", `interface ${this.#dco} is only observed`, { effect: "none" });
      }
      return body(signal);
    });
  }
}

/** A field of options that are not checked yet: they may be of any kind, and are refused where they are checked. */
export function peek(options: unknown, field: string): unknown {
  try {
    return (options as Readonly<Record<string, unknown>>)[field];
  } catch {
    return undefined;
  }
}
