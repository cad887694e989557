/**
 * What the refusals of the family `ovpn-dco-v2` mean: it gives numbers without text (the kernel's log has more).
 */
import { DcoError, type DcoErrorCode } from "../../core/errors.ts";

/** A refusal with a sentence for people; errors of other kinds as they are. */
export function describeLegacyRefusal(error: unknown, name: string): unknown {
  if (!DcoError.is(error) || error.native === undefined) return error;
  switch (error.native.name) {
    case "ENODEV":
      return because(error, "not-found", `interface ${name} is gone`);
    case "ENOENT":
      // Of a key as well when the kernel lacks its cipher: the number is the same.
      return because(
        error,
        "not-found",
        "the module has no such peer (or, for a key, the kernel lacks its cipher)",
      );
    case "EEXIST":
      return because(error, "exists", "the module has a peer with this id");
    case "ENOTSOCK":
      return because(
        error,
        "socket",
        "the kernel cannot use the socket: another interface, or another kind of tunnel, uses it, or it is closed, or " +
          "neither a UDP socket nor an established TCP connection",
      );
    default:
      return error;
  }
}

function because(error: DcoError, code: DcoErrorCode, sentence: string): DcoError {
  const { native, kernelMessage, effect } = error;
  return new DcoError(code, `${sentence} [${native?.name}]`, { native, kernelMessage, effect, cause: error });
}
