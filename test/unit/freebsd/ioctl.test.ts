import { describe, expect, test } from "vitest";
import * as ioctl from "../../../src/freebsd/ioctl.ts";
import { GET, SET } from "../../../src/freebsd/messages.ts";

/** How the kernel makes a number: direction, size of the structure, group, number (sys/ioccom.h). */
const numberOf = (direction: "w" | "wr", size: number, number: number) =>
  (direction === "w" ? 0x80000000 : 0xc0000000) + size * 0x10000 + "i".charCodeAt(0) * 0x100 + number;

test.each([
  ["SIOCSDRVSPEC", "w", ioctl.ifdrv("ovpn0", 0, 0, 0n).length, 123],
  ["SIOCGDRVSPEC", "wr", 40, 123],
  ["SIOCIFCREATE2", "wr", ioctl.ifreq("ovpn0").length, 124],
  ["SIOCIFDESTROY", "w", 32, 121],
  ["SIOCIFGCLONERS", "wr", ioctl.ifClonereq(0, 0n).length, 120],
  ["SIOCGIFGMEMB", "wr", ioctl.ifgroupreq("openvpn", 0, 0n).length, 138],
  ["SIOCGIFCONF", "wr", ioctl.ifconf(0, 0n).length, 36],
  ["SIOCSIFNAME", "w", 32, 40],
  ["SIOCGIFFLAGS", "wr", 32, 17],
  ["SIOCSIFFLAGS", "w", 32, 16],
  ["SIOCGIFMTU", "wr", 32, 51],
  ["SIOCSIFMTU", "w", 32, 52],
  ["SIOCGIFINDEX", "wr", 32, 32],
  ["SIOCSIFDESCR", "w", 32, 41],
  ["SIOCGIFDESCR", "wr", 32, 42],
  ["SIOCGIFNETMASK", "wr", 32, 37],
  ["SIOCAIFADDR", "w", ioctl.ifaliasreq("ovpn0", new Uint8Array(4), 24).length, 43],
  ["SIOCDIFADDR", "w", ioctl.ifreqAddress("ovpn0", new Uint8Array(4)).length, 25],
  ["SIOCAIFADDR_IN6", "w", ioctl.in6Aliasreq("ovpn0", new Uint8Array(16), 64).length, 27],
  ["SIOCDIFADDR_IN6", "w", ioctl.ifreqAddress("ovpn0", new Uint8Array(16)).length, 25],
  ["SIOCGIFNETMASK_IN6", "wr", 288, 37],
] as const)("%s is the number of its structure", (name, direction, size, number) => {
  const numbers: Readonly<Record<string, unknown>> = { ...ioctl };
  expect(numbers[name]).toBe(numberOf(direction, size, number));
});

test("the commands are numbers without a structure, of the group D", () => {
  const numbers = Object.values({ ...SET, ...GET }).sort((one, other) => one - other);
  expect(numbers.map((number) => number - 0x20004400)).toEqual([1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13]);
});

describe("structures", () => {
  test("ifdrv: name, command, length, pointer", () => {
    const bytes = ioctl.ifdrv("ovpn0", SET.SWAP_KEYS, 53, 0x1122334455667788n);
    expect(bytes.toString("hex")).toBe(
      "6f76706e300000000000000000000000" + "0544002000000000" + "3500000000000000" + "8877665544332211",
    );
    expect(ioctl.readDrvLength(bytes)).toBe(53);
  });

  test("a name is cut to 15 bytes, and read up to its NUL", () => {
    expect(ioctl.readName(ioctl.ifreq("abcdefghijklmnopqrst"))).toBe("abcdefghijklmno");
    expect(ioctl.readName(ioctl.ifreq("wire"))).toBe("wire");
  });

  test("flags are two halves", () => {
    const bytes = ioctl.ifreqFlags("ovpn0", 0x00138043);
    expect(bytes.subarray(16, 20).toString("hex")).toBe("43801300");
    expect(ioctl.readFlags(bytes)).toBe(0x00138043);
  });

  test("an IPv4 address with its mask; the broadcast address is left to the kernel", () => {
    const bytes = ioctl.ifaliasreq("ovpn0", Uint8Array.of(10, 8, 0, 1), 22);
    expect(bytes.subarray(16, 32).toString("hex")).toBe(`10020000${"0a080001"}${"00".repeat(8)}`);
    expect(bytes.subarray(32, 48).every((byte) => byte === 0)).toBe(true);
    expect(bytes.subarray(48, 64).toString("hex")).toBe(`10020000${"fffffc00"}${"00".repeat(8)}`);
  });

  test("an IPv6 address: prefix mask, no duplicate detection, for ever", () => {
    const bytes = ioctl.in6Aliasreq(
      "ovpn0",
      Uint8Array.from({ length: 16 }, (_, at) => at),
      64,
    );
    expect(bytes.subarray(16, 24).toString("hex")).toBe("1c1c000000000000");
    expect(bytes.subarray(72 + 8, 72 + 24).toString("hex")).toBe(`${"ff".repeat(8)}${"00".repeat(8)}`);
    expect(bytes.readInt32LE(100)).toBe(0x20);
    expect(bytes.subarray(120, 128).toString("hex")).toBe("ff".repeat(8));
  });

  test.each([0, 1, 8, 22, 24, 31, 32])(
    "an IPv4 prefix length of %d is what its mask is read as",
    (length) => {
      const bytes = ioctl.ifreqAddress("ovpn0", ioctl.mask(4, length));
      expect(ioctl.readMask(bytes, 4)).toBe(length);
    },
  );

  test.each([0, 7, 48, 64, 127, 128])("an IPv6 prefix length of %d is what its mask is read as", (length) => {
    const bytes = ioctl.ifreqAddress("ovpn0", ioctl.mask(16, length));
    expect(ioctl.readMask(bytes, 6)).toBe(length);
  });

  test("the addresses of SIOCGIFCONF: of any length, those of IP families", () => {
    const entry = (name: string, hex: string) =>
      Buffer.concat([ioctl.ifreq(name).subarray(0, 16), Buffer.from(hex, "hex")]);
    const link = `3612${"00".repeat(52)}`;
    const four = `10020000${"0a080001"}${"00".repeat(8)}`;
    const six = `1c1c0000${"00000000"}fd00000800000000${"00".repeat(7)}01${"00000000"}`;
    const bytes = Buffer.concat([entry("ovpn0", link), entry("ovpn0", four), entry("wire", six)]);
    expect(ioctl.readAddresses(bytes)).toEqual([
      { name: "ovpn0", bytes: Uint8Array.of(10, 8, 0, 1) },
      { name: "wire", bytes: Uint8Array.from(Buffer.from(`fd000008${"00".repeat(11)}01`, "hex")) },
    ]);
  });
});
