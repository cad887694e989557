/**
 * What Node says of sockets, as `DcoError`s.
 */
import type { IpEndpoint } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { errnoError, errnoNumber } from "../ffi/errno.ts";

/** The error of a socket call. */
export function socketError(error: unknown, target?: string): DcoError {
  const { code, syscall = "socket", message } = error as NodeJS.ErrnoException;
  const number = code === undefined ? undefined : errnoNumber(code);
  if (number === undefined) return new DcoError("system", message, { cause: error });
  return errnoError(number, syscall, target);
}

const BIND_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: "is in use",
  EADDRNOTAVAIL: "is not an address of this host",
  EINVAL: "is not an address of this host",
  EACCES: "is a port that this process may not use",
};

/** The error of a bind; `local` is named. */
export function bindError(error: unknown, local: IpEndpoint | undefined): DcoError {
  const said = socketError(error);
  const problem = BIND_PROBLEMS[said.native?.name ?? ""];
  if (local === undefined || problem === undefined) return said;
  const target = local.family === 6 ? `[${local.text}]:${local.port}` : `${local.text}:${local.port}`;
  return new DcoError(
    said.code === "invalid" ? "socket" : said.code,
    `local: ${target} ${problem} [${said.native?.name}]`,
    {
      target,
      native: said.native,
      field: "local",
      effect: "none",
      cause: error,
    },
  );
}
