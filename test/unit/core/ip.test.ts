import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIp, mapIpv4, parseIp, unmapIpv4 } from "../../../src/core/ip.ts";

const bytes4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 });
/** Zeros in runs, which is what compression is about. */
const sparse16 = fc
  .array(fc.constantFrom(0, 0, 0, 0, 1, 0xffff, 0x2001, 0xdb8), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])));
/** Text that is nearly an address. */
const nearly = fc
  .array(
    fc.constantFrom("0", "1", "00", "255", "256", "ffff", "Ab", "10000", ":", "::", ".", "1.2.3.4", " ", "g"),
    {
      maxLength: 17,
    },
  )
  .map((parts) => parts.join(""));

describe("parseIp", () => {
  it.each([
    ["0.0.0.0", [0, 0, 0, 0]],
    ["192.0.2.255", [192, 0, 2, 255]],
    ["::", Array(16).fill(0)],
    ["::1", [...Array(15).fill(0), 1]],
    ["2001:DB8::a", [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 10]],
    ["1:2:3:4:5:6:7::", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0]],
    ["::ffff:192.0.2.1", [...Array(10).fill(0), 255, 255, 192, 0, 2, 1]],
    ["1:2:3:4:5:6:1.2.3.4", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 1, 2, 3, 4]],
  ])("reads %s", (text, bytes) => {
    expect(Array.from(parseIp(text) as Uint8Array)).toEqual(bytes);
  });

  it.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.256",
    "1.2.3.4 ",
    " ::1",
    "1.2.3.0x4",
    "0x1.2.3.4",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2:3:4:5:6:7:8",
    "12345::",
    "1.2.3.4::",
    "::1.2.3.4:5",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    "fe80::1%eth0",
    "[::1]",
    "10.0.0.0/8",
    "::1\0",
  ])("refuses %j", (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  it("agrees with node:net on text that is nearly an address", () => {
    fc.assert(
      fc.property(fc.oneof(nearly, fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
        fc.pre(!text.includes("%"));
        const bytes = parseIp(text);
        expect(bytes?.length === 4).toBe(isIPv4(text));
        expect(bytes?.length === 16).toBe(isIPv6(text));
      }),
      { numRuns: 5000 },
    );
  });
});

describe("formatIp", () => {
  it.each([
    ["2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001"],
    // RFC 5952, 4.2.2: one zero group is not compressed; 4.2.3: the longest run, the first of equals.
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1::1", "2001:0:0:1:0:0:0:1"],
    ["2001:db8::1:0:0:1", "2001:db8:0:0:1:0:0:1"],
    ["::", "0:0:0:0:0:0:0:0"],
    ["1::", "1:0:0:0:0:0:0:0"],
    ["::ffff:192.0.2.1", "::FFFF:c000:201"],
    ["::102:304", "::1.2.3.4"],
  ])("writes %s for %s", (canonical, text) => {
    expect(formatIp(parseIp(text) as Uint8Array)).toBe(canonical);
  });

  it("is read back as the same bytes", () => {
    fc.assert(
      fc.property(fc.oneof(bytes4, bytes16, sparse16), (bytes) => {
        const text = formatIp(bytes);
        expect(parseIp(text)).toEqual(bytes);
        expect(bytes.length === 4 ? isIPv4(text) : isIPv6(text)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("writes what the WHATWG URL parser writes", () => {
    fc.assert(
      fc.property(fc.oneof(bytes16, sparse16), (bytes) => {
        fc.pre(unmapIpv4(bytes).length === 16);
        expect(`[${formatIp(bytes)}]`).toBe(new URL(`http://[${formatIp(bytes)}]/`).hostname);
      }),
      { numRuns: 1000 },
    );
  });

  it("refuses other lengths", () => {
    expect(() => formatIp(new Uint8Array(5))).toThrow(RangeError);
  });
});

describe("IPv4-mapped addresses", () => {
  it("map and unmap", () => {
    fc.assert(
      fc.property(bytes4, (bytes) => {
        const mapped = mapIpv4(bytes);
        expect(formatIp(mapped)).toBe(`::ffff:${formatIp(bytes)}`);
        expect(unmapIpv4(mapped)).toEqual(bytes);
        expect(mapIpv4(mapped)).toBe(mapped);
        expect(unmapIpv4(bytes)).toBe(bytes);
      }),
    );
  });

  it("leave other IPv6 addresses as they are", () => {
    for (const text of ["::1.2.3.4", "::fffe:1.2.3.4", "1::ffff:1.2.3.4", "64:ff9b::1.2.3.4"]) {
      const bytes = parseIp(text) as Uint8Array;
      expect(unmapIpv4(bytes)).toBe(bytes);
    }
  });
});
