/**
 * dcokit: one typed interface over OpenVPN Data Channel Offload in the kernels of Linux, FreeBSD and Windows.
 */
export type { Capabilities, CapabilityName } from "./core/capabilities.ts";
export { checkCompatibility } from "./core/compatibility/check.ts";
export { CONFIG_LIMITS, type ParseConfigOptions, parseConfig } from "./core/compatibility/parse.ts";
export { type ReadConfigOptions, readConfig } from "./core/compatibility/read.ts";
export {
  COMPATIBILITY_PLATFORMS,
  type CompatibilityEffect,
  type CompatibilityFinding,
  type CompatibilityOptions,
  type CompatibilityPlatform,
  type CompatibilityReport,
  type ConfigDirective,
  type ConfigRole,
} from "./core/compatibility/types.ts";
export type { DcoDriver, DcoInterface, Listener, Transport } from "./core/contract.ts";
export {
  DCO_ERROR_CODES,
  DcoError,
  type DcoErrorCode,
  type DcoErrorOptions,
  type Effect,
  type KernelMessage,
  type NativeError,
} from "./core/errors.ts";
export {
  DATA_KEYS_BYTES,
  DATA_KEYS_LABEL,
  type DataKeys,
  deriveDataKeys,
  type Key2Material,
  type KeyMaterial,
  type TlsEkmMaterial,
  type TlsPrfMaterial,
} from "./core/key-derivation.ts";
export { KeySchedule } from "./core/key-schedule.ts";
export type {
  KeyChoice,
  KeyScheduleOptions,
  KeyScheduleState,
  KeyScheduleTarget,
  RekeyAdvice,
  ScheduledKey,
} from "./core/key-schedule-types.ts";
export { REKEY_PACKETS, REKEY_SECONDS, type RekeyLimits } from "./core/key-usage.ts";
export type * from "./core/model.ts";
export { CIPHER_KEY_BYTES, CIPHERS, MAX_KEY_ID, MAX_PEER_ID, NONCE_TAIL_BYTES } from "./core/model.ts";
export type { WireEntry, WireTrace } from "./core/trace.ts";
export { type OpenDriverOptions, openDriver } from "./open.ts";
