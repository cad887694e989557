/**
 * The one error class of the SDK and its codes.
 */

/** Everything that can go wrong, as stable words; the docs of each verb say which it uses. */
export const DCO_ERROR_CODES = [
  "unavailable",
  "permission",
  "not-found",
  "exists",
  "invalid",
  "unsupported",
  "busy",
  "socket",
  "timeout",
  "aborted",
  "closed",
  "overflow",
  "protocol",
  "system",
] as const;

/** A stable error code; see {@link DCO_ERROR_CODES}. */
export type DcoErrorCode = (typeof DCO_ERROR_CODES)[number];

/** What the operating system said, in its own numbers and names. */
export interface NativeError {
  /** Which list `number` belongs to. */
  readonly kind: "errno" | "win32" | "ntstatus";
  /** The positive errno, Win32 error or NTSTATUS. */
  readonly number: number;
  /** The symbolic name on this platform, such as `ENOENT`; `errno 999` where it is not known. */
  readonly name: string;
}

/** The text that a kernel gave with its refusal (Linux: extended acknowledgement). */
export interface KernelMessage {
  /** The kernel's sentence, or an empty string where it only pointed at an attribute. */
  readonly text: string;
  /** The path of the attribute that it points at, such as `peer.remote-port`. */
  readonly attribute?: string;
}

/** Whether the effect of a call stands although the call failed. */
export type Effect = "none" | "done" | "unknown";

/** The details of a {@link DcoError}. */
export interface DcoErrorOptions {
  /** The verb that failed, in the contract's words, such as `addPeer`. */
  operation?: string | undefined;
  /** What it was applied to, such as `peer 7`, or the path of the offending field. */
  target?: string | undefined;
  native?: NativeError | undefined;
  kernelMessage?: KernelMessage | undefined;
  /** The capability that is missing, with code `unsupported`. */
  capability?: string | undefined;
  /** The path of the field that was refused, with code `invalid`. */
  field?: string | undefined;
  effect?: Effect | undefined;
  cause?: unknown;
}

const BRAND: unique symbol = Symbol.for("dcokit.DcoError") as never;

/**
 * The error of every failed call.
 *
 * `code` is stable; `message` is for people. Key bytes never appear in any field.
 */
export class DcoError extends Error {
  override readonly name: string = "DcoError";
  readonly code: DcoErrorCode;
  readonly operation: string | undefined;
  readonly target: string | undefined;
  readonly native: NativeError | undefined;
  readonly kernelMessage: KernelMessage | undefined;
  readonly capability: string | undefined;
  readonly field: string | undefined;
  readonly effect: Effect | undefined;

  constructor(code: DcoErrorCode, message: string, options: DcoErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.operation = options.operation;
    this.target = options.target;
    this.native = options.native;
    this.kernelMessage = options.kernelMessage;
    this.capability = options.capability;
    this.field = options.field;
    this.effect = options.effect;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** True for a `DcoError` of any copy of this package. */
  static is(value: unknown): value is DcoError {
    return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
  }

  /** Lets `instanceof` know those of other copies too; see {@link DcoError.is}. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return DcoError.is(value);
  }

  /** The fields as plain data, without the stack. */
  toJSON(): Record<string, unknown> {
    const { name, code, message, operation, target, native, kernelMessage, capability, field, effect } = this;
    return { name, code, message, operation, target, native, kernelMessage, capability, field, effect };
  }
}

/**
 * A `DcoError` with code `invalid` that names the field.
 *
 * @param field the path of the field, such as `encrypt.nonceTail`
 * @param problem what is wrong with it, without the value of secrets
 */
export function invalid(field: string, problem: string, options: DcoErrorOptions = {}): DcoError {
  return new DcoError("invalid", `${field}: ${problem}`, { field, ...options });
}

/** A `DcoError` with code `unsupported` that names the capability. */
export function unsupported(capability: string, problem: string, options: DcoErrorOptions = {}): DcoError {
  return new DcoError("unsupported", `${problem} (capability: ${capability})`, { capability, ...options });
}

/**
 * Runs `body`, and adds the operation and target to a `DcoError` that lacks them.
 *
 * Errors that are not a `DcoError` become one with code `system` and the original as `cause`.
 */
export function describeError(error: unknown, operation: string, target?: string): DcoError {
  if (!DcoError.is(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return new DcoError("system", message, { operation, target, cause: error });
  }
  if (error.operation !== undefined) return error;
  const copy = new DcoError(error.code, error.message, {
    ...error.toJSON(),
    operation,
    target: error.target ?? target,
    cause: error.cause,
  });
  if (error.stack !== undefined) copy.stack = error.stack;
  return copy;
}

/** The same failure, of a call whose effect stands to another extent than that of the step that failed. */
export function withEffect(error: unknown, effect: Effect): DcoError {
  if (!DcoError.is(error)) return new DcoError("system", String(error), { effect, cause: error });
  const copy = new DcoError(error.code, error.message, { ...error.toJSON(), cause: error.cause, effect });
  if (error.stack !== undefined) copy.stack = error.stack;
  return copy;
}

/** Whether a failed request certainly left everything as it was. */
export function hadNoEffect(error: unknown): boolean {
  return DcoError.is(error) && error.effect === "none";
}

/** Lets `not-found` pass, for what may have gone by itself: use it in a `catch`. */
export function unlessNotFound(error: unknown): undefined {
  if (!DcoError.is(error) || error.code !== "not-found") throw error;
}
