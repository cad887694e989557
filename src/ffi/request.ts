/**
 * What a caller of the seam asks of a function, the same for every adapter.
 */
import { invalid } from "../core/errors.ts";
import type { NativeResult, NativeType } from "./types.ts";

/** What to look up. */
export interface FunctionRequest<R extends NativeResult = NativeResult> {
  readonly symbol: string;
  readonly result: R;
  readonly parameters: readonly NativeType[];
  /** -1 becomes `-errno`. */
  readonly errno: boolean;
}

/** Errors: `invalid` for `errno` with a result that cannot be negative. */
export function checkRequest({ result, errno }: FunctionRequest): void {
  if (errno && result !== "i32" && result !== "i64" && result !== "isize") {
    throw invalid("options.errno", `a result of type ${result} cannot be a negative errno`);
  }
}
