/**
 * From errno to `DcoError`.
 */
import { DcoError, type DcoErrorCode } from "../core/errors.ts";
import { type ErrnoSystem, errnoName, thisSystem } from "./errno-names.ts";

export { type ErrnoSystem, errnoName, errnoNumber, thisSystem } from "./errno-names.ts";

/** The names that mean each code; whatever is not here is `system`. */
const NAMES_BY_CODE: Partial<Record<DcoErrorCode, string>> = {
  permission: "EPERM EACCES ENOTCAPABLE ECAPMODE",
  "not-found": "ENOENT ENODEV ENXIO ESRCH",
  exists: "EEXIST",
  invalid: "EINVAL ERANGE E2BIG ENAMETOOLONG EDOM EDESTADDRREQ",
  busy: "EBUSY EADDRINUSE EALREADY",
  socket: `ENOTSOCK EBADF EPROTOTYPE ECONNREFUSED ECONNRESET ECONNABORTED EISCONN ENOTCONN ESHUTDOWN EPIPE
    EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET EHOSTDOWN EHOSTUNREACH`,
  timeout: "ETIMEDOUT",
  overflow: "ENOBUFS EMSGSIZE",
  unsupported: `EOPNOTSUPP ENOTSUPP EPROTONOSUPPORT ESOCKTNOSUPPORT EPFNOSUPPORT EAFNOSUPPORT ENOPROTOOPT
    ENOSYS`,
};

const CODES = new Map<string, DcoErrorCode>(
  Object.entries(NAMES_BY_CODE).flatMap(([code, names]) =>
    names.split(/\s+/).map((name): [string, DcoErrorCode] => [name, code as DcoErrorCode]),
  ),
);

/** The error code that an errno means, where nothing more is known. */
export function errnoCode(number: number, system: ErrnoSystem = thisSystem()): DcoErrorCode {
  return CODES.get(errnoName(number, system)) ?? "system";
}

/**
 * The error for a system call that failed.
 *
 * `operation` and `target` of the error are left to the verb that made the call: what is given here is in
 * the message.
 *
 * @param number the positive errno
 * @param operation the system call, such as `bind`
 * @param target what it was applied to, such as `fd 12`
 */
export function errnoError(
  number: number,
  operation: string,
  target?: string,
  system: ErrnoSystem = thisSystem(),
): DcoError {
  const name = errnoName(number, system);
  const where = target === undefined ? "" : ` (${target})`;
  return new DcoError(errnoCode(number, system), `${operation}${where}: ${name}`, {
    native: { kind: "errno", number, name },
  });
}
