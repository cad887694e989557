import { describe, expect, test } from "vitest";
import { decodeAcknowledgement, isAcknowledgement } from "../../../src/netlink/codec/acknowledgement.ts";
import { isControl, isInterrupted, isMultipart, parseDatagram } from "../../../src/netlink/codec/message.ts";
import { AttributeReader } from "../../../src/netlink/codec/reader.ts";
import { regionOf } from "../../../src/netlink/codec/region.ts";
import { answersOf, bytes, message, outcome } from "./support.ts";

const PROTOCOL = { code: "protocol" };
/** nlmsghdr with a length, type and flags; sequence 7, port 9. */
function header(length: number, type: number, flags = 0): string {
  const buffer = Buffer.alloc(16);
  buffer.writeUInt32LE(length, 0);
  buffer.writeUInt16LE(type, 4);
  buffer.writeUInt16LE(flags, 6);
  buffer.writeUInt32LE(7, 8);
  buffer.writeUInt32LE(9, 12);
  return buffer.toString("hex");
}

describe("parseDatagram", () => {
  test("reads the header of each message", () => {
    const messages = parseDatagram(bytes(`${header(20, 0x25, 0x12)}01020304${header(16, 3)}`));
    expect(
      messages.map(({ type, flags, sequence, portId, start, end }) => ({
        type,
        flags,
        sequence,
        portId,
        start,
        end,
      })),
    ).toEqual([
      { type: 0x25, flags: 0x12, sequence: 7, portId: 9, start: 16, end: 20 },
      { type: 3, flags: 0, sequence: 7, portId: 9, start: 36, end: 36 },
    ]);
    expect(messages.map((each) => [isControl(each), isMultipart(each), isInterrupted(each)])).toEqual([
      [false, true, true],
      [true, false, false],
    ]);
  });

  test("an empty datagram holds no message", () => {
    expect(parseDatagram(Buffer.alloc(0))).toEqual([]);
  });

  test.each([
    ["a cut-off header", header(16, 0x25).slice(0, -2)],
    ["a length below the header", header(15, 0x25)],
    ["a length of zero", header(0, 0x25)],
    ["a length beyond the datagram", `${header(24, 0x25)}01020304`],
    ["a length near 2^32", `${header(0xfffffff0, 0x25)}01020304`],
    ["stray bytes at the end", `${header(16, 0x25)}0000`],
    ["a second message cut off", header(16, 0x25) + header(16, 0x25).slice(0, 20)],
  ])("refuses %s", (_, hex) => {
    expect(outcome(() => parseDatagram(bytes(hex)))).toEqual(PROTOCOL);
  });

  test("a length that is not a multiple of four is followed by padding", () => {
    const padded = parseDatagram(bytes(`${header(17, 0x25)}ff000000${header(16, 3)}`));
    expect(padded.map(({ type, start, end }) => [type, end - start])).toEqual([
      [0x25, 1],
      [3, 0],
    ]);
    const last = parseDatagram(bytes(`${header(17, 0x25)}ff`));
    expect(last.map(({ start, end }) => end - start)).toEqual([1]);
    expect(outcome(() => parseDatagram(bytes(`${header(17, 0x25)}ff00000000`)))).toEqual(PROTOCOL);
  });

  test("NOOP, OVERRUN and DUMP_INTR are told apart", () => {
    const [noop, overrun, part] = parseDatagram(
      bytes(header(16, 1) + header(16, 4) + header(16, 0x25, 0x12)),
    );
    expect([noop, overrun, part].map((each) => each && isControl(each))).toEqual([true, true, false]);
    expect(part && isInterrupted(part)).toBe(true);
    expect(noop && isAcknowledgement(noop)).toBe(false);
  });
});

describe("AttributeReader", () => {
  const read = (hex: string) => {
    const reader = new AttributeReader(regionOf(bytes(hex)));
    const found: [number, number][] = [];
    while (reader.next()) found.push([reader.type, reader.length]);
    return found;
  };

  test("masks the two flag bits of the type", () => {
    expect(read("040001c0" + "04000240")).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });

  test("accepts a last attribute without its padding", () => {
    expect(read("05000100ff")).toEqual([[1, 1]]);
  });

  test.each([
    ["a cut-off header", "0400"],
    ["a length of zero", "00000100"],
    ["a length below the header", "03000100"],
    ["a length beyond the region", "0900010001020304"],
    ["stray bytes behind the padding", "050001000000000000"],
  ])("refuses %s", (_, hex) => {
    expect(outcome(() => read(hex))).toEqual(PROTOCOL);
  });
});

describe("decodeAcknowledgement", () => {
  const request = header(24, 0x25, 5);

  test("an acknowledgement", () => {
    const [, acknowledgement] = answersOf("getfamily nlctrl");
    expect(acknowledgement && decodeAcknowledgement(acknowledgement)).toEqual({
      errno: 0,
      sequence: 5,
      requestType: 16,
      extack: {},
    });
  });

  test("an error without extended acknowledgement, with the request echoed or not", () => {
    for (const name of ["getfamily no-such-family", "getfamily unknown, echoed", "getfamily unknown, bare"]) {
      const [error] = answersOf(name);
      expect(error && decodeAcknowledgement(error)).toMatchObject({ errno: 2, requestType: 16, extack: {} });
    }
  });

  test("an error with text, offset and policy, capped", () => {
    const [error] = answersOf("netdev out of range");
    expect(error && decodeAcknowledgement(error).extack).toEqual({
      text: "integer out of range",
      offset: 20,
      policy: { type: 4, minValue: 1n, maxValue: 0xffffffffn },
    });
  });

  test("an error with an extended acknowledgement behind the echoed request", () => {
    const [error] = answersOf("ethtool nested, echoed");
    expect(error && decodeAcknowledgement(error)).toMatchObject({
      errno: 19,
      extack: { text: "no device matches ifindex", offset: 24 },
    });
  });

  test("a missing attribute", () => {
    const [error] = answersOf("netdev missing attribute");
    expect(error && decodeAcknowledgement(error)).toMatchObject({ errno: 22, extack: { missingType: 1 } });
  });

  test("all attributes of an extended acknowledgement", () => {
    const attributes =
      "0700010068690000" + // MSG "hi", without NUL in its length
      "0800020014000000" + // OFFS 20
      "06000300abcd0000" + // COOKIE
      "0c000480" +
      "0800010004000000" + // POLICY { type u32 }
      "0800050003000000" + // MISS_TYPE 3
      "0800060018000000"; // MISS_NEST 24
    const error = message(
      `${header(16 + 20 + attributes.length / 2, 2, 0x300)}eaffffff${request}${attributes}`,
    );
    expect(decodeAcknowledgement(error)).toEqual({
      errno: 22,
      sequence: 7,
      requestType: 0x25,
      extack: {
        text: "hi",
        offset: 20,
        cookie: Uint8Array.of(0xab, 0xcd),
        policy: { type: 4 },
        missingType: 3,
        missingNest: 24,
      },
    });
  });

  test("the end of a dump, with and without an error of its own", () => {
    expect(decodeAcknowledgement(message(`${header(20, 3, 2)}00000000`))).toEqual({
      errno: 0,
      sequence: 7,
      requestType: undefined,
      extack: {},
    });
    expect(decodeAcknowledgement(message(header(16, 3, 2))).errno).toBe(0);
    expect(decodeAcknowledgement(message(`${header(20, 3, 2)}edffffff`)).errno).toBe(19);
    const text = `${header(28, 3, 0x202)}edffffff0700010068690000`;
    expect(decodeAcknowledgement(message(text))).toMatchObject({ errno: 19, extack: { text: "hi" } });
  });

  test.each([
    ["without payload", header(16, 2)],
    ["with a cut-off request header", `${header(32, 2)}eaffffff${request.slice(0, 24)}`],
    ["with a positive code", `${header(36, 2)}01000000${request}`],
    ["whose echo is longer than it", `${header(36, 2, 0x200)}eaffffff${request}`],
    ["whose echo is shorter than a header", `${header(36, 2, 0x200)}eaffffff${header(3, 0x25)}`],
    ["whose extended acknowledgement is cut off", `${header(40, 2, 0x300)}eaffffff${request}08000100`],
    ["whose offset has two bytes", `${header(44, 2, 0x300)}eaffffff${request}0600020014000000`],
    ["that ends a dump with two bytes", `${header(18, 3, 2)}0000`],
    ["that is neither error nor end", header(16, 0x25)],
  ])("refuses an answer %s", (_, hex) => {
    expect(outcome(() => decodeAcknowledgement(message(hex)))).toEqual(PROTOCOL);
  });
});
