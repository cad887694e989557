import fc from "fast-check";
import { describe, expect, expectTypeOf, test } from "vitest";
import { OVPN } from "../../../src/linux/ovpn/messages.ts";
import { decodeAttributes, encodeAttributes } from "../../../src/netlink/codec/attributes.ts";
import { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import { CTRL } from "../../../src/netlink/codec/genl.ts";
import { parseDatagram } from "../../../src/netlink/codec/message.ts";
import { regionOf } from "../../../src/netlink/codec/region.ts";
import type { Attributes, AttributeTable, Shape } from "../../../src/netlink/codec/table.ts";
import { wireName } from "../../../src/netlink/codec/table.ts";
import { bytes, TIMEOUT } from "./support.ts";

/** A table with every type that there is. */
const ALL = {
  octet: { number: 1, type: "u8" },
  short: { number: 2, type: "u16" },
  long: { number: 3, type: "u32" },
  signed: { number: 4, type: "s32" },
  wide: { number: 5, type: "u64" },
  signedWide: { number: 6, type: "s64" },
  counter: { number: 7, type: "uint" },
  port: { number: 8, type: "u16be" },
  quirk: { number: 9, type: "u16or32" },
  ipv4: { number: 10, type: "ip4" },
  ipv6: { number: 11, type: "ip6" },
  address: { number: 12, type: "ip" },
  name: { number: 13, type: "string" },
  present: { number: 14, type: "flag" },
  blob: { number: 15, type: "bytes", min: 2, max: 5 },
  inner: { number: 16, type: "nest", table: { deepValue: { number: 1, type: "u32" } } },
  list: { number: 17, type: "array", element: { type: "nest", table: { id: { number: 1, type: "u16" } } } },
  byKey: { number: 18, type: "map", element: { type: "u32" } },
} as const satisfies AttributeTable;

function encoded<T extends AttributeTable>(table: T, values: Attributes<T>): Buffer {
  const builder = new MessageBuilder(1);
  builder.beginMessage(0x20, 0, 0);
  encodeAttributes(table, values as never, builder);
  builder.endMessage();
  return builder.bytes().subarray(16);
}

function decoded<T extends AttributeTable>(table: T, data: Uint8Array): Attributes<T> {
  return decodeAttributes(table, regionOf(data));
}

/** Any value of a shape. */
function anyOf(shape: Shape): fc.Arbitrary<unknown> {
  switch (shape.type) {
    case "u8":
      return fc.integer({ min: 0, max: 0xff });
    case "u16":
    case "u16be":
      return fc.integer({ min: 0, max: 0xffff });
    case "u32":
    case "u16or32":
      return fc.integer({ min: 0, max: 0xffffffff });
    case "s32":
      return fc.integer({ min: -0x80000000, max: 0x7fffffff });
    case "u64":
    case "uint":
      return fc.oneof(fc.bigInt(0n, 2n ** 33n), fc.bigInt(0n, 2n ** 64n - 1n));
    case "s64":
      return fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
    case "ip4":
      return fc.uint8Array({ minLength: 4, maxLength: 4 });
    case "ip6":
      return fc.uint8Array({ minLength: 16, maxLength: 16 });
    case "ip":
      return fc.oneof(anyOf({ type: "ip4" }), anyOf({ type: "ip6" }));
    case "bytes":
      return fc.uint8Array({ minLength: shape.min, maxLength: Math.min(shape.max, 300) });
    case "string":
      return fc.string({ unit: "binary", maxLength: 40 }).map((text) => text.replaceAll("\0", ""));
    case "flag":
      return fc.constant(true);
    case "nest":
      return objectOf(shape.table);
    case "array":
      return fc.array(anyOf(shape.element), { maxLength: 4 });
    case "map":
      return fc
        .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 0x3fff }), anyOf(shape.element)), {
          maxLength: 4,
          selector: ([key]) => key,
        })
        .map((entries) => new Map(entries));
  }
}

/** Any object of a table, each attribute there or not, in any order. */
function objectOf(table: AttributeTable): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.entries(table).map(([key, shape]) =>
    anyOf(shape).map((value) => [key, value] as const),
  );
  return fc
    .shuffledSubarray(fields)
    .chain((chosen) => fc.tuple(...chosen).map((all) => Object.fromEntries(all)));
}

describe("every table gives back what it encoded", () => {
  test.each([
    ["all types", ALL],
    ["ovpn", OVPN],
    ["nlctrl", CTRL],
  ] as [string, AttributeTable][])("%s", { timeout: TIMEOUT }, (_, table) => {
    fc.assert(
      fc.property(objectOf(table), (values) => {
        expect(decoded(table, encoded(table, values as Attributes<AttributeTable>))).toEqual(values);
      }),
    );
  });
});

describe("decodeAttributes", () => {
  test("passes over attributes that it does not know, and padding", () => {
    const data = `04000000${"0800e70301020304"}${encoded(ALL, { long: 5 }).toString("hex")}`;
    expect(decoded(ALL, bytes(data))).toEqual({ long: 5 });
  });

  test("takes the later one of two attributes with the same number", () => {
    const data = Buffer.concat([
      encoded(ALL, { long: 5 }),
      encoded(ALL, { octet: 1 }),
      encoded(ALL, { long: 6 }),
    ]);
    expect(decoded(ALL, data)).toEqual({ octet: 1, long: 6 });
  });

  test("reads a variable integer and the key id quirk in either width", () => {
    expect(decoded(ALL, bytes("08000700ffffffff"))).toEqual({ counter: 0xffffffffn });
    expect(decoded(ALL, bytes("0c000700ffffffff00000000"))).toEqual({ counter: 0xffffffffn });
    expect(decoded(ALL, bytes("0600090034120000"))).toEqual({ quirk: 0x1234 });
    expect(decoded(ALL, bytes("0800090034120000"))).toEqual({ quirk: 0x1234 });
  });

  test("reads a string up to its NUL, or to its end without one", () => {
    expect(decoded(ALL, bytes("08000d0061620063"))).toEqual({ name: "ab" });
    expect(decoded(ALL, bytes("08000d0061626364"))).toEqual({ name: "abcd" });
    expect(decoded(ALL, bytes("04000d00"))).toEqual({ name: "" });
  });

  test("returns copies: receiving into the buffer again does not change them", () => {
    const buffer = encoded(ALL, { blob: Uint8Array.of(1, 2, 3), ipv4: Uint8Array.of(10, 0, 0, 1) });
    const values = decoded(ALL, buffer);
    buffer.fill(0xff);
    expect(values).toEqual({ blob: Uint8Array.of(1, 2, 3), ipv4: Uint8Array.of(10, 0, 0, 1) });
  });

  test.each([
    ["octet", "0600010001000000"],
    ["short", "0500020001000000"],
    ["long", "0600030001000000"],
    ["signed", "0c0004000100000001000000"],
    ["wide", "0800050001000000"],
    ["signed-wide", "0800060001000000"],
    ["counter", "0600070001000000"],
    ["port", "0800080001000000"],
    ["quirk", "0500090001000000"],
    ["ipv4", "06000a0001000000"],
    ["ipv6", "08000b0001000000"],
    ["address", "06000c0001000000"],
    ["blob", "05000f0001000000"],
    ["inner.deep-value", "0c0010800600010001000000"],
    ["list[1].id", "10001180" + "0c000180" + "0800010001000000"],
    ["by-key[7]", "0c0012800600070001000000"],
  ])("names %s when its size is wrong", (path, data) => {
    expect(() => decoded(ALL, bytes(data))).toThrow(
      expect.objectContaining({ code: "protocol", target: path, message: expect.stringContaining(path) }),
    );
  });

  test("its result is typed by the table", () => {
    const values = decoded(ALL, new Uint8Array(0));
    expectTypeOf(values.octet).toEqualTypeOf<number | undefined>();
    expectTypeOf(values.counter).toEqualTypeOf<bigint | undefined>();
    expectTypeOf(values.present).toEqualTypeOf<true | undefined>();
    expectTypeOf(values.blob).toEqualTypeOf<Uint8Array | undefined>();
    expectTypeOf(values.inner?.deepValue).toEqualTypeOf<number | undefined>();
    expectTypeOf(values.list?.[0]?.id).toEqualTypeOf<number | undefined>();
    expectTypeOf(values.byKey?.get(1)).toEqualTypeOf<number | undefined>();
    // @ts-expect-error: not in the table
    expect(values.other).toBeUndefined();
  });
});

describe("encodeAttributes", () => {
  test("leaves out what is undefined, and keeps the order of the properties", () => {
    expect(encoded(ALL, { long: 1, octet: undefined, short: 2 } as never).toString("hex")).toBe(
      "0800030001000000" + "0600020002000000",
    );
  });

  test.each([
    ["octet", { octet: 256 }],
    ["short", { short: -1 }],
    ["long", { long: 2 ** 32 }],
    ["long", { long: 0.5 }],
    ["long", { long: "1" }],
    ["signed", { signed: 2 ** 31 }],
    ["wide", { wide: 1 }],
    ["wide", { wide: -1n }],
    ["signed-wide", { signedWide: 2n ** 63n }],
    ["counter", { counter: 2n ** 64n }],
    ["ipv4", { ipv4: new Uint8Array(5) }],
    ["ipv6", { ipv6: new Uint8Array(4) }],
    ["address", { address: new Uint8Array(6) }],
    ["name", { name: "a\0b" }],
    ["name", { name: 3 }],
    ["present", { present: false }],
    ["blob", { blob: new Uint8Array(6) }],
    ["blob", { blob: [1, 2, 3] }],
    ["inner", { inner: 3 }],
    ["inner.deep-value", { inner: { deepValue: -1 } }],
    ["list", { list: {} }],
    ["list[2].id", { list: [{ id: 1 }, { id: 65536 }] }],
    ["by-key", { byKey: [1] }],
    ["by-key[7]", { byKey: new Map([[7, -1]]) }],
    ["by-key key", { byKey: new Map([[0x4000, 1]]) }],
    ["no-such-attribute", { noSuchAttribute: 1 }],
    ["constructor", { constructor: 1 }],
  ])("refuses a bad %s by its path", (field, values) => {
    expect(() => encoded(ALL, values as never)).toThrow(expect.objectContaining({ code: "invalid", field }));
  });

  test("does not print bytes that stand where a number should", () => {
    const key = new Uint8Array(16).fill(0xa5);
    for (const values of [{ long: key }, { wide: key }, { blob: key }, { name: key }]) {
      expect(() => encoded(ALL, values as never)).toThrow(
        expect.not.objectContaining({ message: expect.stringMatching(/165|a5/) }),
      );
    }
  });
});

test("names are written the kernel's way", () => {
  expect(["id", "remoteIpv4", "remoteIpv6ScopeId", "vpnRxBytes", "socketNetnsid"].map(wireName)).toEqual([
    "id",
    "remote-ipv4",
    "remote-ipv6-scope-id",
    "vpn-rx-bytes",
    "socket-netnsid",
  ]);
});

test("a decoded message of the builder is the same whatever stands around it", { timeout: TIMEOUT }, () => {
  fc.assert(
    fc.property(
      objectOf(ALL),
      fc.uint8Array({ maxLength: 32 }),
      fc.uint8Array({ maxLength: 32 }),
      (values, before, after) => {
        const data = encoded(ALL, values as Attributes<typeof ALL>);
        const larger = Buffer.concat([before, data, after]);
        const view = larger.subarray(before.length, before.length + data.length);
        expect(decoded(ALL, view)).toEqual(values);
        expect(parseDatagram(new Uint8Array(0))).toEqual([]);
      },
    ),
  );
});
