import { expect, test } from "vitest";
import { WireTracer } from "../../../src/core/trace.ts";
import { errnoNumber } from "../../../src/ffi/errno.ts";
import type { Ffi } from "../../../src/ffi/index.ts";
import type { Posix } from "../../../src/ffi/posix.ts";
import { FreebsdBackend } from "../../../src/freebsd/backend.ts";
import { SIOCIFGCLONERS } from "../../../src/freebsd/ioctl.ts";
import type { System } from "../../../src/freebsd/stack.ts";

/** A system with these cloners, where loading a module ends with an errno of this name. */
function system(cloners: readonly string[], refusal: string | undefined): System & { open: Set<number> } {
  const memory: Uint8Array[] = [];
  const open = new Set<number>();
  let next = 10;
  const result = refusal === undefined ? 0 : -(errnoNumber(refusal) as number);
  const ffi = {
    addressOf: (bytes: Uint8Array) => BigInt(memory.push(bytes)),
    library: () => ({ func: (name: string) => () => (name === "kldload" ? result : -2) }),
  } as unknown as Ffi;
  const posix = {
    socket() {
      open.add(next);
      return next++;
    },
    close: (fd: number) => void open.delete(fd),
    ioctl(_: number, request: number, argument: Buffer) {
      if (request !== SIOCIFGCLONERS) throw new Error(`no ioctl ${request}`);
      const names = memory[Number(argument.readBigUInt64LE(8)) - 1];
      cloners.forEach((name, at) => {
        names?.set(Buffer.from(name), at * 16);
      });
      argument.writeInt32LE(cloners.length, 0);
      return 0;
    },
  } as unknown as Posix;
  return { ffi, posix, tracer: new WireTracer(undefined), open };
}

test.each([
  ["ENOENT", /it comes with FreeBSD 14 and later \(kldload if_ovpn\)/],
  ["EPERM", /load it as root outside of jails \(kldload if_ovpn\)/],
])(
  "without the module, which cannot be loaded (%s), the driver is unavailable, and says what to do",
  (errno, remedy) => {
    const bare = system(["lo", "tap"], errno);
    const open = () => FreebsdBackend.open(bare);
    expect(open).toThrowError(
      expect.objectContaining({ code: "unavailable", message: expect.stringMatching(remedy) }),
    );
    expect(open).toThrowError(expect.objectContaining({ message: expect.stringContaining(errno) }));
    expect(bare.open.size).toBe(0);
  },
);

test.each([["openvpn"], ["ovpn"]])(
  "a kernel that has the cloner %s needs no module to be loaded",
  (cloner) => {
    const backend = FreebsdBackend.open(system(["lo", cloner], "EPERM"));
    expect(backend.info.reason).toContain("if_ovpn");
  },
);
