/**
 * The one place where everything that a caller passes is checked, before any kernel sees it.
 *
 * Each function takes what the caller gave and returns what a backend takes (backend.ts). Refusals are
 * `invalid` with the path of the field, or `unsupported` with the capability. The checks are in validate/,
 * one file for each kind of argument.
 */
export { formatPrefix, parseAddress, parseEndpoint, parsePrefix, toEndpoint } from "./validate/address.ts";
export {
  readSignal,
  type ValidatedBulkOptions,
  type ValidatedEventOptions,
  validateBulkOptions,
  validateCallOptions,
  validateEventOptions,
  validateSignal,
} from "./validate/call.ts";
export { IPV6_MIN_MTU, validateConfigure } from "./validate/configure.ts";
export { validateExtras } from "./validate/extras.ts";
export {
  validateAdoptInterface,
  validateCreateInterface,
  validateInterfaceName,
} from "./validate/interface.ts";
export { validateKey, validateSlot } from "./validate/key.ts";
export {
  checkRouteFamilies,
  MAX_KEEPALIVE_SECONDS,
  type PeerContext,
  type ValidatedAddPeer,
  type ValidatedSetPeer,
  validateAddPeer,
  validatePeerId,
  validateSetPeer,
} from "./validate/peer.ts";
export {
  at,
  INT_MAX,
  readBoolean,
  readChoice,
  readFields,
  readInteger,
  readShape,
  type Shape,
  validateArray,
} from "./validate/shape.ts";
export {
  checkOnlyRemote,
  checkRemoteFamily,
  type ValidatedSend,
  validateListen,
  validateOpenTransport,
  validateSend,
} from "./validate/transport.ts";
