/**
 * What the refusals of `if_ovpn` mean.
 */
import { DcoError, type DcoErrorCode } from "../core/errors.ts";

const ADD_PEER: Readonly<Record<string, readonly [DcoErrorCode, string]>> = {
  EBUSY: ["socket", "the peers of this interface are on another socket"],
  EPROTOTYPE: ["socket", "it is not a UDP socket"],
  EINVAL: ["socket", "the socket is not bound, or of another family than the peer's address"],
  EEXIST: ["exists", "there is a peer with this id already"],
};

const INSTALL_KEY: Readonly<Record<string, readonly [DcoErrorCode, string]>> = {
  EINVAL: ["unsupported", "the kernel has no driver for this cipher"],
  EOPNOTSUPP: ["unsupported", "the kernel has no driver for this cipher"],
};

const SWAP_KEYS: Readonly<Record<string, readonly [DcoErrorCode, string]>> = {
  ENOLINK: ["not-found", "there is no key in the secondary slot"],
};

const REFUSALS: Readonly<Record<string, typeof ADD_PEER>> = {
  NEW_PEER: ADD_PEER,
  NEW_KEY: INSTALL_KEY,
  SWAP_KEYS,
};

/** A refusal with a sentence for people; errors of other kinds as they are. */
export function describeRefusal(error: unknown, command: string, name: string): unknown {
  if (!DcoError.is(error) || error.native === undefined) return error;
  const { native } = error;
  const known = REFUSALS[command]?.[native.name];
  if (known) return because(error, ...known);
  if (native.name === "ENXIO") return because(error, "not-found", `interface ${name} is gone`);
  if (native.name === "EPERM")
    return because(error, "permission", "only root may do this, outside of jails or in a VNET jail");
  return error;
}

function because(error: DcoError, code: DcoErrorCode, sentence: string): DcoError {
  const { native } = error;
  return new DcoError(code, `${sentence} [${native?.name}]`, {
    native,
    effect: "none",
    ...(code === "unsupported" && { capability: "ciphers" }),
    cause: error,
  });
}
