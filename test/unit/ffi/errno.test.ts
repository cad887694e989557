import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { errnoCode, errnoError, errnoName, errnoNumber } from "../../../src/ffi/errno.ts";

/** Other names of a number that has one already. */
const ALIASES = new Set(["EWOULDBLOCK", "ENOTSUP"]);

describe.runIf(process.platform === "linux" || process.platform === "freebsd")("this system", () => {
  const system = process.platform as "linux" | "freebsd";

  it("numbers as Node does", () => {
    const known = Object.entries(constants.errno).filter(([name]) => !ALIASES.has(name));
    expect(known.length).toBeGreaterThan(70);
    for (const [name, number] of known) {
      expect([errnoName(number, system), errnoNumber(name, system)]).toEqual([name, number]);
    }
  });
});

describe("names and numbers", () => {
  it("differ between the systems", () => {
    expect([errnoNumber("EAGAIN", "linux"), errnoNumber("EAGAIN", "freebsd")]).toEqual([11, 35]);
    expect([errnoNumber("ENOLINK", "linux"), errnoNumber("ENOLINK", "freebsd")]).toEqual([67, 91]);
    expect([errnoName(45, "freebsd"), errnoName(95, "linux")]).toEqual(["EOPNOTSUPP", "EOPNOTSUPP"]);
    expect([errnoName(97, "freebsd"), errnoName(133, "linux")]).toEqual(["EINTEGRITY", "EHWPOISON"]);
    expect(errnoNumber("ENOTCAPABLE", "linux")).toBeUndefined();
  });

  it("has words for numbers without a name", () => {
    expect(errnoName(41, "linux")).toBe("errno 41");
    expect(errnoName(0, "linux")).toBe("errno 0");
    expect(errnoName(999, "freebsd")).toBe("errno 999");
  });
});

describe("codes", () => {
  it.each([
    ["EPERM", "permission"],
    ["EACCES", "permission"],
    ["ENOENT", "not-found"],
    ["ENODEV", "not-found"],
    ["ENXIO", "not-found"],
    ["ESRCH", "not-found"],
    ["EEXIST", "exists"],
    ["EADDRINUSE", "busy"],
    ["EBUSY", "busy"],
    ["EINVAL", "invalid"],
    ["ERANGE", "invalid"],
    ["E2BIG", "invalid"],
    ["ENOTSOCK", "socket"],
    ["EBADF", "socket"],
    ["EPROTOTYPE", "socket"],
    ["ECONNREFUSED", "socket"],
    ["ENOTCONN", "socket"],
    ["EADDRNOTAVAIL", "socket"],
    ["ENETUNREACH", "socket"],
    ["ETIMEDOUT", "timeout"],
    ["ENOBUFS", "overflow"],
    ["EMSGSIZE", "overflow"],
    ["EOPNOTSUPP", "unsupported"],
    ["EAFNOSUPPORT", "unsupported"],
    ["ENOSYS", "unsupported"],
    ["EIO", "system"],
    ["EMFILE", "system"],
    ["EAGAIN", "system"],
  ] as const)("%s is %s on both systems", (name, code) => {
    for (const system of ["linux", "freebsd"] as const) {
      expect(errnoCode(errnoNumber(name, system) as number, system)).toBe(code);
    }
  });

  it("is system for a number that nobody knows", () => {
    expect(errnoCode(4000, "linux")).toBe("system");
  });
});

describe("errnoError", () => {
  it("names the call, what it was applied to, and the errno", () => {
    const error = errnoError(98, "bind", "fd 7", "linux");
    expect(error).toBeInstanceOf(DcoError);
    expect(error.code).toBe("busy");
    expect(error.message).toBe("bind (fd 7): EADDRINUSE");
    expect(error.native).toEqual({ kind: "errno", number: 98, name: "EADDRINUSE" });
  });

  it("leaves operation and target to the verb", () => {
    const error = errnoError(2, "open", "/nowhere", "freebsd");
    expect([error.operation, error.target]).toEqual([undefined, undefined]);
  });
});
