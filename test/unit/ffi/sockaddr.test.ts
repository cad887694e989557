import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIp } from "../../../src/core/ip.ts";
import {
  AF_INET6,
  packSockaddr,
  packSockaddrBytes,
  type SockaddrLayout,
  unpackSockaddr,
} from "../../../src/ffi/sockaddr.ts";

const LAYOUTS: SockaddrLayout[] = ["linux", "freebsd", "win32"];
const IPV4 = { address: "192.0.2.1", port: 1194, scopeId: 0 };
const IPV6 = { address: "fe80::a", port: 1194, scopeId: 3 };
const IPV6_BYTES = "fe80000000000000000000000000000a";

describe("bytes", () => {
  it.each([
    ["linux", `020004aac0000201${"00".repeat(8)}`, `0a0004aa00000000${IPV6_BYTES}03000000`],
    ["freebsd", `100204aac0000201${"00".repeat(8)}`, `1c1c04aa00000000${IPV6_BYTES}03000000`],
    ["win32", `020004aac0000201${"00".repeat(8)}`, `170004aa00000000${IPV6_BYTES}03000000`],
  ] as const)("are those of %s", (layout, ipv4, ipv6) => {
    expect(packSockaddr(IPV4, layout).toString("hex")).toBe(ipv4);
    expect(packSockaddr(IPV6, layout).toString("hex")).toBe(ipv6);
    expect(unpackSockaddr(Buffer.from(ipv4, "hex"), layout)).toEqual(IPV4);
    expect(unpackSockaddr(Buffer.from(ipv6, "hex"), layout)).toEqual(IPV6);
  });
});

describe("round trip", () => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );

  it("gives back what was packed, whatever follows it", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...LAYOUTS),
        address,
        fc.nat(0xffff),
        fc.nat(0xffffffff),
        fc.uint8Array({ maxLength: 100 }),
        (layout, bytes, port, scope, rest) => {
          const scopeId = bytes.length === 4 ? 0 : scope;
          const packed = packSockaddrBytes(bytes, port, scopeId, layout);
          const read = unpackSockaddr(Buffer.concat([packed, rest]), layout);
          expect(read).toEqual({ address: formatIp(bytes), port, scopeId });
        },
      ),
    );
  });

  it("reads any bytes without an error", () => {
    fc.assert(
      fc.property(fc.constantFrom(...LAYOUTS), fc.uint8Array({ maxLength: 40 }), (layout, bytes) => {
        const read = unpackSockaddr(bytes, layout);
        if (bytes.length < 16) expect(read).toBeUndefined();
        else if (read)
          expect(packSockaddr(read, layout).subarray(2, 4)).toEqual(Buffer.from(bytes.subarray(2, 4)));
      }),
    );
  });

  it("reads no IPv6 address of too few bytes", () => {
    const packed = packSockaddr(IPV6, "linux");
    expect(unpackSockaddr(packed.subarray(0, 27), "linux")).toBeUndefined();
  });

  it("reads no other family", () => {
    for (const layout of LAYOUTS) {
      const others = LAYOUTS.filter((other) => AF_INET6[other] !== AF_INET6[layout]);
      for (const other of others) expect(unpackSockaddr(packSockaddr(IPV6, other), layout)).toBeUndefined();
    }
  });
});

describe("what is refused", () => {
  it.each([
    ["address", { address: "example.org", port: 1 }],
    ["address", { address: "fe80::1%lo", port: 1 }],
    ["port", { address: "::1", port: 65536 }],
    ["port", { address: "::1", port: -1 }],
    ["port", { address: "::1", port: 1.5 }],
    ["scopeId", { address: "::1", port: 1, scopeId: 2 ** 32 }],
    ["scopeId", { address: "127.0.0.1", port: 1, scopeId: 1 }],
  ])("%s in %j", (field, endpoint) => {
    expect(() => packSockaddr(endpoint)).toThrow(expect.objectContaining({ code: "invalid", field }));
  });

  it("addresses of another length", () => {
    expect(() => packSockaddrBytes(new Uint8Array(5), 1)).toThrow(
      expect.objectContaining({ code: "invalid" }),
    );
  });
});
