/**
 * The error for what an adapter cannot do.
 */
import { type DcoError, unsupported } from "../core/errors.ts";
import type { FfiFeatures } from "./types.ts";

/** `unsupported`, with the feature as `ffi.NAME` in `capability`. */
export function lacks(adapter: string, feature: keyof FfiFeatures): DcoError {
  return unsupported(`ffi.${feature}`, `the native interface ${adapter} cannot do this here`);
}
