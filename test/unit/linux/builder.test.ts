import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import { parseDatagram } from "../../../src/netlink/codec/message.ts";
import { AttributeReader } from "../../../src/netlink/codec/reader.ts";
import { TIMEOUT } from "./support.ts";

/** One message with the attributes that `write` adds. */
function attributesOf(write: (builder: MessageBuilder) => void): string {
  const builder = new MessageBuilder();
  builder.beginMessage(0x10, 0, 0);
  write(builder);
  builder.endMessage();
  return builder.bytes().toString("hex").slice(32);
}

describe("MessageBuilder", () => {
  test("writes nlmsghdr in the machine's byte order", () => {
    const builder = new MessageBuilder();
    builder.beginMessage(0x1234, 0x0301, 0xfffffffe, 0x80000001);
    builder.endMessage();
    expect(builder.bytes().toString("hex")).toBe("10000000" + "3412" + "0103" + "feffffff" + "01000080");
  });

  test("takes flags back from all messages but the last", () => {
    const builder = new MessageBuilder();
    builder.clearFlagsBeforeLast(4);
    for (let sequence = 1; sequence <= 3; sequence++) {
      builder.beginMessage(0x1234, 0x0305, sequence);
      builder.u32(1, sequence);
      builder.endMessage();
    }
    builder.clearFlagsBeforeLast(4);
    const read = parseDatagram(builder.bytes());
    expect(read.map(({ flags, sequence }) => [flags, sequence])).toEqual([
      [0x0301, 1],
      [0x0301, 2],
      [0x0305, 3],
    ]);
  });

  test("writes each type of attribute with its padding", () => {
    expect(attributesOf((b) => b.u8(1, 0xab))).toBe("05000100ab000000");
    expect(attributesOf((b) => b.u16(1, 0xabcd))).toBe("06000100cdab0000");
    expect(attributesOf((b) => b.u16be(1, 0xabcd))).toBe("06000100abcd0000");
    expect(attributesOf((b) => b.u32(1, 0xfedcba98))).toBe("0800010098badcfe");
    expect(attributesOf((b) => b.s32(1, -2))).toBe("08000100feffffff");
    expect(attributesOf((b) => b.u64(1, 0x0123456789abcdefn))).toBe("0c000100efcdab8967452301");
    expect(attributesOf((b) => b.uint(1, 0xffffffffn))).toBe("08000100ffffffff");
    expect(attributesOf((b) => b.uint(1, 0x100000000n))).toBe("0c0001000000000001000000");
    expect(attributesOf((b) => b.flag(1))).toBe("04000100");
    expect(attributesOf((b) => b.data(1, Uint8Array.of(1, 2, 3, 4, 5)))).toBe("090001000102030405000000");
    expect(attributesOf((b) => b.data(1, new Uint8Array(0)))).toBe("04000100");
    expect(attributesOf((b) => b.string(1, "abc"))).toBe("0800010061626300");
    expect(attributesOf((b) => b.string(1, "abcd"))).toBe("090001006162636400000000");
    expect(attributesOf((b) => b.string(1, "é"))).toBe("07000100c3a90000");
  });

  test("marks nests and fills in their lengths", () => {
    const nested = attributesOf((b) => {
      const outer = b.beginNest(1);
      const inner = b.beginNest(2);
      b.u8(3, 4);
      b.endNest(inner);
      b.endNest(outer);
    });
    expect(nested).toBe("10000180" + "0c000280" + "0500030004000000");
  });

  test("leaves no old bytes in padding when its buffer is used again", () => {
    const builder = new MessageBuilder();
    builder.beginMessage(0x10, 0, 0);
    builder.data(1, new Uint8Array(64).fill(0xff));
    builder.endMessage();
    builder.reset();
    builder.beginMessage(0x10, 0, 0);
    builder.u8(1, 1);
    builder.data(2, Uint8Array.of(2));
    builder.string(3, "x");
    builder.string(4, "abcd");
    builder.endMessage();
    const attributes = builder.bytes().toString("hex").slice(32);
    expect(attributes).toBe(
      "0500010001000000" + "0500020002000000" + "0600030078000000" + "090004006162636400000000",
    );
  });

  test("refuses what does not fit, by the attribute's number", () => {
    const builder = new MessageBuilder();
    builder.beginMessage(0x10, 0, 0);
    const refused: [() => void, string][] = [
      [() => builder.u8(7, 256), "attribute 7"],
      [() => builder.u16(7, -1), "attribute 7"],
      [() => builder.u16be(7, 65536), "attribute 7"],
      [() => builder.u32(7, 2 ** 32), "attribute 7"],
      [() => builder.u32(7, 1.5), "attribute 7"],
      [() => builder.u32(7, Number.NaN), "attribute 7"],
      [() => builder.s32(7, 2 ** 31), "attribute 7"],
      [() => builder.u64(7, -1n), "attribute 7"],
      [() => builder.uint(7, 2n ** 64n), "attribute 7"],
      [() => builder.data(7, new Uint8Array(65532)), "attribute 7"],
      [() => builder.string(7, "x".repeat(65531)), "attribute 7"],
      [() => builder.string(7, "a\0b"), "attribute 7"],
    ];
    for (const [write, field] of refused) {
      expect(write).toThrow(expect.objectContaining({ code: "invalid", field }));
    }
    const nest = builder.beginNest(8);
    builder.data(1, new Uint8Array(40000));
    builder.data(1, new Uint8Array(40000));
    expect(() => builder.endNest(nest)).toThrow(expect.objectContaining({ field: "attribute 8" }));
  });

  test("takes the largest attribute that netlink has", () => {
    const builder = new MessageBuilder();
    builder.beginMessage(0x10, 0, 0);
    builder.data(1, new Uint8Array(65531));
    builder.endMessage();
    const [message] = parseDatagram(builder.bytes());
    const reader = new AttributeReader(message as NonNullable<typeof message>);
    expect([reader.next(), reader.length, reader.next()]).toEqual([true, 65531, false]);
  });

  test("drops a message that was not finished", () => {
    const builder = new MessageBuilder();
    builder.beginMessage(0x10, 0, 1);
    builder.endMessage();
    builder.beginMessage(0x10, 0, 2);
    builder.u32(1, 1);
    expect([builder.count, builder.length]).toEqual([1, 16]);
    expect(builder.bytes().length).toBe(16);
    builder.beginMessage(0x10, 0, 3);
    builder.u32(1, 1);
    builder.beginMessage(0x10, 0, 4);
    builder.endMessage();
    expect(parseDatagram(builder.bytes()).map((message) => message.sequence)).toEqual([1, 4]);
  });

  test("takes flags back from the last message, or from all before it", () => {
    const flags = (take: (builder: MessageBuilder) => void) => {
      const builder = new MessageBuilder();
      for (let sequence = 1; sequence <= 3; sequence++) {
        builder.beginMessage(0x10, 0x305, sequence);
        builder.endMessage();
      }
      take(builder);
      return parseDatagram(builder.bytes()).map((message) => message.flags);
    };
    expect(flags((builder) => builder.clearFlagsOfLast(4))).toEqual([0x305, 0x305, 0x301]);
    expect(flags((builder) => builder.clearFlagsBeforeLast(4))).toEqual([0x301, 0x301, 0x305]);
    const empty = new MessageBuilder();
    empty.clearFlagsOfLast(4);
    expect(empty.bytes().length).toBe(0);
  });

  test("hands out each message of a batch", () => {
    const builder = new MessageBuilder(1);
    for (let sequence = 0; sequence < 100; sequence++) {
      builder.beginMessage(0x20, 0, sequence);
      builder.data(1, new Uint8Array(sequence).fill(sequence));
      builder.endMessage();
    }
    expect(builder.count).toBe(100);
    for (let index = 0; index < 100; index++) {
      expect(parseDatagram(builder.message(index)).map((message) => message.sequence)).toEqual([index]);
    }
    expect(() => builder.message(100)).toThrow(RangeError);
    expect(() => builder.endMessage()).toThrow(RangeError);
  });

  test("wipes every byte that it used, also before it grew and after a reset", () => {
    const builder = new MessageBuilder(256);
    const secret = new Uint8Array(100).fill(0xee);
    builder.beginMessage(0x20, 0, 1);
    builder.data(1, secret);
    builder.endMessage();
    const before = builder.bytes();
    const smaller = new Uint8Array(before.buffer, before.byteOffset, 256);
    builder.beginMessage(0x20, 0, 2);
    builder.data(1, new Uint8Array(300).fill(0xee));
    builder.endMessage();
    expect(smaller.some((byte) => byte !== 0)).toBe(false);
    const view = builder.bytes();
    const whole = new Uint8Array(view.buffer, view.byteOffset, view.length);
    builder.reset();
    builder.beginMessage(0x20, 0, 3);
    builder.endMessage();
    builder.beginMessage(0x20, 0, 4);
    builder.data(1, secret);
    builder.wipe();
    expect(whole.some((byte) => byte !== 0)).toBe(false);
    expect([builder.count, builder.length]).toEqual([0, 0]);
  });

  test("gives back any batch of attributes that was written", { timeout: TIMEOUT }, () => {
    const attribute = fc.record({
      type: fc.integer({ min: 0, max: 0x3fff }),
      payload: fc.uint8Array({ maxLength: 40 }),
    });
    fc.assert(
      fc.property(fc.array(fc.array(attribute, { maxLength: 8 }), { maxLength: 8 }), (batch) => {
        const builder = new MessageBuilder(1);
        for (const [sequence, attributes] of batch.entries()) {
          builder.beginMessage(0x20, 0, sequence);
          for (const { type, payload } of attributes) builder.data(type, payload);
          builder.endMessage();
        }
        const read = parseDatagram(builder.bytes()).map((message) => {
          const found = [];
          const reader = new AttributeReader(message);
          while (reader.next()) {
            found.push({ type: reader.type, payload: reader.bytes.slice(reader.start, reader.end) });
          }
          return found;
        });
        expect(read).toEqual(batch);
      }),
    );
  });
});
