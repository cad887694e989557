/** placeholder, replaced in the next commit */
import { DcoError } from "../core/errors.ts";
import type { Ffi } from "./types.ts";

/** Not there yet. */
export function createFfiRs(_module: unknown): Ffi {
  throw new DcoError("unavailable", "the ffi-rs adapter is not written yet");
}
