import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { decodeList } from "../../../src/freebsd/nvlist/decode.ts";
import { encodeList } from "../../../src/freebsd/nvlist/encode.ts";
import {
  type NvList,
  type NvPair,
  nvBinary,
  nvGet,
  nvNested,
  nvNumber,
} from "../../../src/freebsd/nvlist/list.ts";
import { CAPTURED, GOLDEN, golden, listOf } from "./vectors.ts";

const VECTORS = [...GOLDEN, ...CAPTURED.replies.map((reply) => ({ ...reply, name: reply.what }))];

describe.each(VECTORS)("$name", ({ nvlist, packed }) => {
  test("is packed as libnv packs it", () => {
    expect(encodeList(listOf(nvlist)).toString("hex")).toBe(packed);
  });

  test("is unpacked to what it was", () => {
    expect(decodeList(Buffer.from(packed, "hex"))).toEqual(listOf(nvlist));
  });
});

const name = fc.string({ maxLength: 12, unit: "grapheme" }).filter((text) => !text.includes("\0"));
const number = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const some = { minLength: 1, maxLength: 4 };

const { list } = fc.letrec<{ list: NvList; pair: NvPair }>((tie) => ({
  pair: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.record({ name, type: fc.constant("null" as const), value: fc.constant(undefined) }),
    fc.record({ name, type: fc.constant("bool" as const), value: fc.boolean() }),
    fc.record({ name, type: fc.constant("number" as const), value: number }),
    fc.record({ name, type: fc.constant("string" as const), value: name }),
    fc.record({
      name,
      type: fc.constant("binary" as const),
      value: fc.uint8Array({ ...some, maxLength: 40 }),
    }),
    fc.record({ name, type: fc.constant("bool_array" as const), value: fc.array(fc.boolean(), some) }),
    fc.record({ name, type: fc.constant("number_array" as const), value: fc.array(number, some) }),
    fc.record({ name, type: fc.constant("string_array" as const), value: fc.array(name, some) }),
    fc.record({ name, type: fc.constant("nvlist" as const), value: tie("list") }),
    fc.record({ name, type: fc.constant("nvlist_array" as const), value: fc.array(tie("list"), some) }),
  ) as fc.Arbitrary<NvPair>,
  list: fc.uniqueArray(tie("pair"), { selector: (pair) => pair.name, maxLength: 4, depthIdentifier: "list" }),
}));

test("what was packed is unpacked to the same", () => {
  fc.assert(
    fc.property(list, (value) => {
      expect(decodeList(encodeList(value))).toEqual(value);
    }),
  );
});

test("a list in bytes that were changed is refused as such, or is another list", () => {
  const change = fc.record({ at: fc.nat(), by: fc.integer({ min: 1, max: 255 }) });
  fc.assert(
    fc.property(list, fc.array(change, { minLength: 1, maxLength: 3 }), (value, changes) => {
      const bytes = encodeList(value);
      for (const { at, by } of changes) {
        const where = at % bytes.length;
        bytes[where] = (bytes[where] as number) ^ by;
      }
      // Only what is packed the same way again is taken for a list.
      const read = readOrRefuse(bytes);
      if (read) expect(encodeList(read)).toEqual(bytes);
    }),
    { numRuns: 500 },
  );
});

test("random bytes are refused as such", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      readOrRefuse(bytes);
    }),
  );
});

test.each(["all_types", "reply_get_peer_stats_3", "new_peer_inet6_local_remote_vpn4_vpn6"])(
  "%s is refused wherever it is cut, and with bytes after it",
  (vector) => {
    const bytes = golden(vector);
    for (let size = 0; size < bytes.length; size++) expectRefused(bytes.subarray(0, size));
    expectRefused(Buffer.concat([bytes, Buffer.alloc(1)]));
  },
);

test("every size in a list's header must be what is left", () => {
  const bytes = golden("reply_get_peer_stats_2");
  let headers = 0;
  for (let at = 0; at + 19 <= bytes.length; at++) {
    const isHeader = bytes[at] === 0x6c && bytes.readBigUInt64LE(at + 11) === BigInt(bytes.length - at - 19);
    if (!isHeader) continue;
    headers++;
    for (let byte = 11; byte < 19; byte++) {
      const changed = Buffer.from(bytes);
      changed[at + byte] = (changed[at + byte] as number) ^ 1;
      expectRefused(changed);
    }
  }
  // The list, two peers, and bytes and packets of each.
  expect(headers).toBe(7);
});

test("descriptors are refused, and said to be", () => {
  for (const type of [6, 12]) {
    const bytes = encodeList([nvNumber("fd", 5)]);
    bytes[19] = type;
    expect(() => decodeList(bytes)).toThrow(/descriptors/);
    const counted = encodeList([nvNumber("fd", 5)]);
    counted.writeBigUInt64LE(1n, 3);
    expect(() => decodeList(counted)).toThrow(/descriptors/);
  }
});

test("a list in the other byte order is refused", () => {
  const bytes = encodeList([]);
  bytes[2] = 0x80;
  expectRefused(bytes);
});

test("lists that are deeper than any of the kernel's are refused", () => {
  let nested: NvList = [];
  for (let depth = 0; depth < 40; depth++) nested = [nvNested("in", nested)];
  expectRefused(encodeList(nested));
});

test("what libnv cannot hold is not packed", () => {
  const refused: NvList[] = [
    [nvBinary("key", new Uint8Array())],
    [nvNumber("a", 1), nvNumber("a", 2)],
    [nvNumber("a", -1)],
    [nvNumber("a", 2n ** 64n)],
    [nvNumber("a\0b", 1)],
    [{ name: "s", type: "string", value: "\0" }],
    [{ name: "n", type: "nvlist_array", value: [] }],
    [nvNumber("x".repeat(2048), 1)],
  ];
  for (const each of refused) expect(() => encodeList(each)).toThrow(DcoError);
});

test("a value of another type is as good as none", () => {
  const bytes = decodeList(golden("swap_keys"));
  expect(nvGet(bytes, "peerid", "number")).toBe(2n);
  expect(nvGet(bytes, "peerid", "string")).toBeUndefined();
  expect(nvGet(bytes, "slot", "number")).toBeUndefined();
});

function readOrRefuse(bytes: Uint8Array): NvList | undefined {
  try {
    return decodeList(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(DcoError);
    expect((error as DcoError).code).toBe("protocol");
    return undefined;
  }
}

function expectRefused(bytes: Uint8Array): void {
  expect(readOrRefuse(bytes)).toBeUndefined();
}
