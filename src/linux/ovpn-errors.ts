/**
 * What the refusals of the family `ovpn` mean.
 */
import { DcoError, type DcoErrorCode } from "../core/errors.ts";

/** "cannot encapsulate socket: -16": the reason why a socket is refused is a number in the text. */
const ENCAPSULATE = /cannot (?:encapsulate|lookup peer) socket[^:]*: -(\d+)/;

const SOCKET_PROBLEMS: Readonly<Record<string, string>> = {
  "9": "the descriptor is not open",
  "11": "the socket is busy; try again",
  "12": "the kernel has no memory for it",
  "16": "another interface, or another kind of tunnel, uses the socket",
  "22": "the TCP connection is not established",
  "88": "the descriptor is not a socket",
  "95": "it is neither a UDP nor a plain TCP socket",
};

/** A refusal with a sentence for people; errors of other kinds as they are. */
export function describeRefusal(error: unknown, name: string): unknown {
  if (!DcoError.is(error) || error.native === undefined) return error;
  const said = error.kernelMessage?.text ?? "";
  switch (error.native.name) {
    case "EPERM":
      // It says already which right is needed.
      return error;
    case "ENODEV":
      return because(error, "not-found", `interface ${name} is gone`);
    case "ENOTSOCK": {
      const problem = SOCKET_PROBLEMS[ENCAPSULATE.exec(said)?.[1] ?? ""];
      return because(error, "socket", `the kernel cannot use the socket${problem ? `: ${problem}` : ""}`);
    }
    case "ENOENT":
      // Also the answer where the crypto of the key is missing.
      return said.includes("cannot install")
        ? because(error, "unsupported", "the kernel lacks this cipher")
        : error;
    case "EADDRINUSE":
      return because(error, "exists", "another peer has this VPN address");
    default:
      return error;
  }
}

function because(error: DcoError, code: DcoErrorCode, sentence: string): DcoError {
  const { native, kernelMessage, effect } = error;
  const said = kernelMessage?.text ? `: ${kernelMessage.text}` : "";
  return new DcoError(code, `${sentence} [${native?.name}${said}]`, {
    native,
    kernelMessage,
    effect,
    ...(code === "unsupported" && { capability: "ciphers" }),
    cause: error,
  });
}
