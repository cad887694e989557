import { describe, expect, test } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { markProblem, refuseRouting, withRouting } from "../../../src/linux/socket-options.ts";
import { openSocketNamespace } from "../../../src/netlink/namespace.ts";
import { fakePosix } from "./fake-sockets.ts";

const errno = (name: string, number: number, code: DcoError["code"]) =>
  new DcoError(code, name, { native: { kind: "errno", number, name } });

describe("mark and device", () => {
  test("a mark is an integer that is not 0", () => {
    for (const mark of [1, 2 ** 32 - 1]) expect(markProblem(mark)).toBeUndefined();
    for (const mark of [0, -1, 0.5, 2 ** 32, "1", undefined, Number.NaN])
      expect(markProblem(mark)).toBeDefined();
  });

  test("each socket gets them before it is bound", () => {
    const set: unknown[][] = [];
    const posix = fakePosix({
      socket: () => 30,
      setsockopt: (fd, level, option, value) => {
        set.push([fd, level, option, typeof value === "number" ? value : Buffer.from(value).toString()]);
      },
    });
    expect(withRouting(posix, { mark: 2 ** 32 - 1, device: "eth0" }).socket(2, 2, 17)).toBe(30);
    expect(set).toEqual([
      [30, 1, 36, 2 ** 32 - 1],
      [30, 1, 25, "eth0\0"],
    ]);
    expect(withRouting(posix, { namespace: "x" })).toBe(posix);
  });

  test.each([
    ["device", errno("ENODEV", 19, "not-found"), "not-found", /there is no interface eth9/],
    ["device", errno("EPERM", 1, "permission"), "permission", /bound to eth9/],
    ["mark", errno("EPERM", 1, "permission"), "permission", /CAP_NET_ADMIN/],
  ] as const)("a refusal of %s (%s) names it, and leaves no socket", (field, error, code, message) => {
    const closed: number[] = [];
    const posix = fakePosix({
      socket: () => 30,
      setsockopt: () => {
        throw error;
      },
      close: (fd) => {
        closed.push(fd);
      },
    });
    const extras = field === "mark" ? { mark: 7 } : { device: "eth9" };
    expect(() => withRouting(posix, extras).socket(2, 2, 17)).toThrow(
      expect.objectContaining({ code, field, effect: "none", message: expect.stringMatching(message) }),
    );
    expect(closed).toEqual([30]);
  });

  test("an adopted socket has its own", () => {
    expect(() => refuseRouting({ device: "eth0" })).toThrow(expect.objectContaining({ field: "device" }));
    expect(() => refuseRouting({ namespace: "x" })).not.toThrow();
  });
});

test("the namespace of what is no socket is not told, and one that may not be asked for is permission", () => {
  const answering = (error: DcoError) =>
    fakePosix({
      ioctl: () => {
        throw error;
      },
    });
  expect(openSocketNamespace(answering(errno("ENOTTY", 25, "system")), 5)).toBeUndefined();
  expect(() => openSocketNamespace(answering(errno("EPERM", 1, "permission")), 5)).toThrow(
    expect.objectContaining({ code: "permission", field: "adopt.fd", effect: "none" }),
  );
});
