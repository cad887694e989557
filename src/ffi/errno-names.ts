/**
 * The names of errno numbers, from 1 on; "-" is a number without a name.
 *
 * Tables of both systems are here, whatever this one is: what a program prints for the number of another
 * system would be wrong, and captured replies of one system are tested on the other.
 */

/** Linux, all architectures but alpha, mips, parisc and sparc: asm-generic/errno.h. */
const LINUX = `
  EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY
  EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK
  EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC
  EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR
  ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG
  EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE
  EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP
  EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET
  ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY
  EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY
  EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON
`;

/** FreeBSD: sys/errno.h. */
const FREEBSD = `
  EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EDEADLK ENOMEM EACCES EFAULT ENOTBLK EBUSY
  EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK
  EPIPE EDOM ERANGE EAGAIN EINPROGRESS EALREADY ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT
  EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN
  ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT
  ECONNREFUSED ELOOP ENAMETOOLONG EHOSTDOWN EHOSTUNREACH ENOTEMPTY EPROCLIM EUSERS EDQUOT ESTALE EREMOTE
  EBADRPC ERPCMISMATCH EPROGUNAVAIL EPROGMISMATCH EPROCUNAVAIL ENOLCK ENOSYS EFTYPE EAUTH ENEEDAUTH EIDRM
  ENOMSG EOVERFLOW ECANCELED EILSEQ ENOATTR EDOOFUS EBADMSG EMULTIHOP ENOLINK EPROTO ENOTCAPABLE ECAPMODE
  ENOTRECOVERABLE EOWNERDEAD EINTEGRITY
`;

/** A system whose errno numbers are known. */
export type ErrnoSystem = "linux" | "freebsd";

const NAMES: Record<ErrnoSystem, ReadonlyMap<number, string>> = {
  // 524 is internal to the kernel, and some of its answers have it all the same (linux/errno.h).
  linux: new Map([...numbered(LINUX), [524, "ENOTSUPP"]]),
  freebsd: new Map(numbered(FREEBSD)),
};

function numbered(table: string): [number, string][] {
  const names = table.trim().split(/\s+/);
  return names.map((name, i): [number, string] => [i + 1, name]).filter(([, name]) => name !== "-");
}

const NUMBERS: Record<ErrnoSystem, ReadonlyMap<string, number>> = {
  linux: new Map([...NAMES.linux].map(([number, name]) => [name, number])),
  freebsd: new Map([...NAMES.freebsd].map(([number, name]) => [name, number])),
};

/** This machine's system; Linux's numbers where it is neither. */
export function thisSystem(): ErrnoSystem {
  return process.platform === "freebsd" ? "freebsd" : "linux";
}

/** The symbolic name, such as `ENOENT`; `errno 999` where there is none. */
export function errnoName(number: number, system: ErrnoSystem = thisSystem()): string {
  return NAMES[system].get(number) ?? `errno ${number}`;
}

/** The number of a name, such as 11 for `EAGAIN` on Linux; undefined where the system has none. */
export function errnoNumber(name: string, system: ErrnoSystem = thisSystem()): number | undefined {
  return NUMBERS[system].get(name);
}
