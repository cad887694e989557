import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classOf } from "../../../src/core/validate/address.ts";
import { parseAddress, parseEndpoint, parsePrefix, toEndpoint } from "../../../src/core/validate.ts";
import { expectInvalid, refusal } from "./fixtures.ts";

const endpoint = (input: unknown) => parseEndpoint(input, "remote", { port: "nonzero" });
const prefix = (text: unknown) => parsePrefix(text, "routes[0]", { hostBits: "refuse" });

describe("addresses", () => {
  it("IPv4-mapped IPv6 becomes IPv4", () => {
    const expected = { family: 4, bytes: Uint8Array.of(192, 0, 2, 1), text: "192.0.2.1" };
    expect(parseAddress("::ffff:192.0.2.1", "local")).toEqual(expected);
    expect(parseAddress("::FFFF:c000:201", "local")).toEqual(expected);
  });

  it("agree with Node on what an address is", () => {
    const texts = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string(),
      fc.stringMatching(/^[0-9a-f:.]{0,20}$/),
      fc.stringMatching(/^[0-9]{1,3}(\.[0-9]{1,3}){3}$/),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const family = isIP(text);
        if (family === 0) expect(refusal(() => parseAddress(text, "local")).field).toBe("local");
        else expect(parseAddress(text, "local").bytes.length).toBeOneOf(family === 4 ? [4] : [16, 4]);
      }),
      { numRuns: 1000 },
    );
  });

  it("are canonical, as in a URL", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const { family, text: canonical } = parseAddress(text, "local");
        fc.pre(family === 6);
        expect(`[${canonical}]`).toBe(new URL(`http://[${text}]/`).hostname);
      }),
    );
  });

  it.each([
    [""],
    ["localhost"],
    ["1.2.3"],
    ["1.2.3.4.5"],
    ["01.2.3.4"],
    ["fe80::1%eth0"],
    ["1.2.3.4/8"],
    [" ::1"],
  ])("%j is none", (text) => {
    expectInvalid(() => parseAddress(text, "local"), "local", /is not an IP address/);
  });

  it("a long text is cut in the message", () => {
    expect(refusal(() => parseAddress("x".repeat(10_000), "local")).message.length).toBeLessThan(120);
  });
});

describe("prefixes", () => {
  it("have a length, or are one address", () => {
    expect(prefix("10.0.0.0/8")).toMatchObject({ family: 4, text: "10.0.0.0", length: 8 });
    expect(prefix("2001:DB8::/32")).toMatchObject({ family: 6, text: "2001:db8::", length: 32 });
    expect(prefix("10.8.0.2")).toMatchObject({ length: 32 });
    expect(prefix("::1")).toMatchObject({ length: 128 });
    expect(prefix("0.0.0.0/0")).toMatchObject({ family: 4, length: 0 });
    expect(prefix("::/0")).toMatchObject({ family: 6, length: 0 });
    expect(prefix("::ffff:0.0.0.0/96")).toMatchObject({ family: 4, text: "0.0.0.0", length: 0 });
    expect(prefix("::ffff:10.0.0.0/104")).toMatchObject({ family: 4, text: "10.0.0.0", length: 8 });
  });

  it("with host bits are refused with the prefix that was meant", () => {
    expectInvalid(() => prefix("10.1.2.3/8"), "routes[0]", /the prefix is 10\.0\.0\.0\/8/);
    expectInvalid(() => prefix("2001:db8::1/33"), "routes[0]", /the prefix is 2001:db8::\/33/);
    expectInvalid(() => prefix("10.0.0.1/31"), "routes[0]", /the prefix is 10\.0\.0\.0\/31/);
    expect(parsePrefix("10.1.2.3/8", "a", { hostBits: "keep" })).toMatchObject({
      text: "10.1.2.3",
      length: 8,
    });
  });

  it("without a length are refused where it is required", () => {
    const parse = () => parsePrefix("10.8.0.2", "addresses[0]", { hostBits: "keep", length: "required" });
    expectInvalid(parse, "addresses[0]", /needs a prefix length, such as 10\.8\.0\.2\/24/);
  });

  it.each([
    ["10.0.0.0/33"],
    ["::/129"],
    ["10.0.0.0/"],
    ["10.0.0.0/-1"],
    ["10.0.0.0/08"],
    ["10.0.0.0/8/8"],
    ["10.0.0.0/ 8"],
  ])("%j has no good length", (text) => {
    expectInvalid(() => prefix(text), "routes[0]", /prefix length of .* must be from 0 to (32|128)/);
  });

  it.each([["default"], ["/8"], ["10/8"], [""]])("%j is none", (text) => {
    expectInvalid(() => prefix(text), "routes[0]", /is not an IP address/);
  });

  it("wider than the IPv4-mapped addresses are refused", () => {
    expectInvalid(() => prefix("::ffff:10.0.0.0/95"), "routes[0]", /wider/);
  });

  it("the corrected prefix is accepted, whatever the input", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (address, bits) => {
        const text = `${address}/${Math.min(bits, isIP(address) === 4 ? 32 : 128)}`;
        let accepted = text;
        try {
          prefix(text);
        } catch (error) {
          const corrected = / the prefix is (\S+)$/.exec((error as Error).message)?.[1];
          if (corrected === undefined) return; // an IPv4-mapped one that is too wide
          accepted = corrected;
        }
        const { bytes, length } = prefix(accepted);
        bytes.forEach((byte, i) => {
          const hostBits = Math.min(8, Math.max(0, 8 * (i + 1) - length));
          expect(byte & ((1 << hostBits) - 1)).toBe(0);
        });
      }),
    );
  });
});

describe("kinds of addresses", () => {
  const kindOf = (text: string) => classOf(parseAddress(text, "local"));

  it.each([
    ["0.0.0.0", "unspecified"],
    ["::", "unspecified"],
    ["127.0.0.1", "loopback"],
    ["127.255.255.254", "loopback"],
    ["::1", "loopback"],
    ["224.0.0.0", "multicast"],
    ["239.255.255.255", "multicast"],
    ["ff02::1", "multicast"],
    ["255.255.255.255", "broadcast"],
  ])("%s is %s", (text, kind) => {
    expect(kindOf(text)).toBe(kind);
  });

  it.each([
    "0.0.0.1",
    "126.0.0.1",
    "128.0.0.1",
    "223.255.255.255",
    "240.0.0.0",
    "255.255.255.254",
    "::2",
    "1::1",
    "::1:0",
    "fe80::1",
  ])("%s is an ordinary one", (text) => {
    expect(kindOf(text)).toBeUndefined();
  });
});

describe("endpoints", () => {
  it("are objects or text", () => {
    const v4 = { family: 4, bytes: Uint8Array.of(192, 0, 2, 1), text: "192.0.2.1", port: 1194, scopeId: 0 };
    expect(endpoint({ address: "192.0.2.1", port: 1194 })).toEqual(v4);
    expect(endpoint("192.0.2.1:1194")).toEqual(v4);
    expect(endpoint("[::ffff:192.0.2.1]:1194")).toEqual(v4);
    expect(endpoint("[2001:db8::1]:1")).toMatchObject({ family: 6, text: "2001:db8::1", port: 1 });
    expect(endpoint("[fe80::1%3]:1194")).toMatchObject({ text: "fe80::1", scopeId: 3 });
  });

  it.each(["fe80::1", "febf:ffff::1"])("%s is link-local and needs an interface", (address) => {
    expect(endpoint({ address, port: 1, scopeId: 2 }).scopeId).toBe(2);
    expectInvalid(() => endpoint({ address, port: 1 }), "remote.scopeId", /is missing/);
  });

  it.each(["fec0::1", "ff80::1", "fd80::1", "254.128.0.1"])("%s is not link-local", (address) => {
    expect(endpoint({ address, port: 1 }).scopeId).toBe(0);
    expectInvalid(() => endpoint({ address, port: 1, scopeId: 2 }), "remote.scopeId", /not a link-local/);
  });

  it("come back as they went in", () => {
    for (const given of [
      { address: "192.0.2.1", port: 1194 },
      { address: "fe80::1", port: 1194, scopeId: 7 },
    ]) {
      expect(toEndpoint(endpoint(given))).toEqual(given);
    }
  });

  it("a port of 0 is only for local ones", () => {
    expectInvalid(() => endpoint("192.0.2.1:0"), "remote.port", /from 1 to 65535, not 0/);
    expect(parseEndpoint("192.0.2.1:0", "local", { port: "any" }).port).toBe(0);
  });

  it.each<[unknown, string, RegExp]>([
    [undefined, "remote", /is missing/],
    [5, "remote", /must be an object, not a number/],
    ["192.0.2.1", "remote", /is not an address with a port/],
    ["2001:db8::1:1194", "remote", /IPv6 needs \[brackets\]/],
    ["[2001:db8::1]:x:y", "remote", /such as 192\.0\.2\.1:1194$/],
    ["[192.0.2.1]:1194", "remote", /only IPv6 stands in \[brackets\]/],
    ["vpn.example.com:1194", "remote.address", /is not an IP address/],
    ["[fe80::1%eth0]:1194", "remote", /zone must be an interface index/],
    ["[fe80::1%0]:1194", "remote", /zone must be an interface index/],
    ["192.0.2.1:65536", "remote.port", /from 1 to 65535/],
    ["192.0.2.1:-1", "remote", /is not an address with a port/],
    [{ address: "192.0.2.1" }, "remote.port", /is missing/],
    [{ port: 1194 }, "remote.address", /is missing/],
    [{ address: "192.0.2.1", port: "1194" }, "remote.port", /not a string/],
    [{ address: "192.0.2.1", port: 1.5 }, "remote.port", /integer/],
    [{ address: "192.0.2.1", port: Number.NaN }, "remote.port", /not NaN/],
    [{ address: "192.0.2.1", port: 1, family: 4 }, "remote.family", /unknown option "family"/],
    [{ address: "192.0.2.1", port: 1, scopeId: 2 }, "remote.scopeId", /not a link-local/],
    [{ address: "2001:db8::1", port: 1, scopeId: 2 }, "remote.scopeId", /not a link-local/],
    [{ address: "fe80::1", port: 1 }, "remote.scopeId", /is missing/],
    [{ address: "fe80::1", port: 1, scopeId: 0 }, "remote.scopeId", /from 1 to/],
  ])("%j is refused", (input, field, problem) => {
    expectInvalid(() => endpoint(input), field, problem);
  });
});
