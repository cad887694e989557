import { expect, test } from "vitest";
import {
  isAnswer,
  RTM_ADD,
  readLinkMessages,
  readRoute,
  routeMessage,
  routeQuestion,
} from "../../../src/freebsd/route-message.ts";

const destination = Uint8Array.of(10, 20, 0, 0);

test("a route through an interface: destination, link address, mask, interface, each at a multiple of 8", () => {
  const bytes = routeMessage(RTM_ADD, { destination, prefixLength: 16, gateway: undefined, interface: 7 });
  expect(bytes.length).toBe(152 + 16 + 56 + 16 + 56);
  expect(bytes.subarray(0, 4).toString("hex")).toBe("28010501");
  expect(bytes.readInt32LE(8)).toBe(0x801);
  expect(bytes.readInt32LE(12)).toBe(0x17);
  expect(bytes.subarray(152, 160).toString("hex")).toBe("100200000a140000");
  expect(bytes.subarray(168, 172).toString("hex")).toBe("36120700");
  expect(bytes.subarray(224, 232).toString("hex")).toBe("10020000ffff0000");
  expect(bytes.subarray(240, 244).toString("hex")).toBe("36120700");
});

test("a host route through a gateway has no mask", () => {
  const gateway = Uint8Array.of(10, 8, 0, 2);
  const bytes = routeMessage(RTM_ADD, { destination, prefixLength: 32, gateway, interface: 7 });
  expect(bytes.readInt32LE(8)).toBe(0x801 | 0x2 | 0x4);
  expect(bytes.readInt32LE(12)).toBe(0x13);
  expect(bytes.subarray(168, 176).toString("hex")).toBe("100200000a080002");
});

test("the answer to a question is told from other messages, and says interface and gateway", () => {
  const question = routeQuestion(Uint8Array.of(192, 0, 2, 1), 5);
  expect(isAnswer(question, 5)).toBe(true);
  expect(isAnswer(question, 6)).toBe(false);
  const route = { destination, prefixLength: 0, gateway: Uint8Array.of(192, 0, 2, 254), interface: 3 };
  const answer = routeMessage(RTM_ADD, route);
  answer.writeUInt16LE(3, 4);
  expect(readRoute(answer)).toEqual({ interface: 3, gateway: route.gateway, isHost: false });
});

test("links that changed, appeared or went are told by index and name; other messages are left out", () => {
  const info = Buffer.alloc(168);
  info.writeUInt16LE(168, 0);
  info.set([5, 14], 2);
  info.writeUInt16LE(9, 12);
  const announce = Buffer.alloc(24);
  announce.writeUInt16LE(24, 0);
  announce.set([5, 17], 2);
  announce.writeUInt16LE(4, 4);
  announce.write("ovpn3", 6);
  announce.writeUInt16LE(1, 22);
  const other = Buffer.alloc(24);
  other.writeUInt16LE(24, 0);
  other.set([5, 12], 2);
  expect(readLinkMessages(Buffer.concat([info, other, announce]))).toEqual([
    { index: 9, what: "changed", name: undefined },
    { index: 4, what: "departed", name: "ovpn3" },
  ]);
  expect(readLinkMessages(info.subarray(0, 60))).toEqual([]);
  expect(readLinkMessages(Buffer.alloc(64))).toEqual([]);
});
