import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { guidBytes } from "../../../src/windows/extras.ts";
import type { Struct } from "../../../src/windows/ioctl.ts";
import {
  changeInterfaceRow,
  fillRouteRow,
  fillUnicastRow,
  IP_STRUCTS,
  readRouteRow,
  readUnicastTable,
} from "../../../src/windows/ip-rows.ts";

const path = new URL("../../vectors/windows-ip-helper-layout.json", import.meta.url);
const { structs } = JSON.parse(readFileSync(path, "utf8")) as {
  structs: Record<string, { size: number; fields: Record<string, { offset: number; size: number }> }>;
};

test.each(Object.entries<Struct>(IP_STRUCTS))("%s is as a compiler lays it out", (name, { size, fields }) => {
  const theirs = structs[name];
  expect(size).toBe(theirs?.size);
  for (const [field, place] of Object.entries(fields)) {
    expect([theirs?.fields[field]?.offset, theirs?.fields[field]?.size], field).toEqual(place);
  }
});

const luid = 0x0035_0080_0000_0000n;

test("addresses of a table are those of the interface", () => {
  const row = (of: bigint, bytes: Uint8Array, length: number) => {
    const one = Buffer.alloc(80);
    fillUnicastRow(one, of, { bytes, length });
    return one;
  };
  const six = Uint8Array.from([0xfd, ...new Uint8Array(14), 2]);
  const table = Buffer.concat([
    Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]),
    row(luid, Uint8Array.of(10, 8, 0, 2), 24),
    row(1n, Uint8Array.of(10, 9, 0, 2), 24),
    row(luid, six, 64),
  ]);
  expect(readUnicastTable(table, luid)).toEqual([
    { bytes: Uint8Array.of(10, 8, 0, 2), length: 24 },
    { bytes: six, length: 64 },
  ]);
});

test("a route says where it leads", () => {
  const row = Buffer.alloc(104);
  const destination = Uint8Array.of(192, 0, 2, 1);
  const nextHop = Uint8Array.of(10, 0, 0, 1);
  fillRouteRow(row, { luid, destination, prefixLength: 32, nextHop, metric: 5 });
  expect(readRouteRow(row)).toEqual({ luid, nextHop, isHost: true });
  fillRouteRow(row, { luid, destination, prefixLength: 24, nextHop: undefined, metric: 5 });
  expect(readRouteRow(row)).toEqual({ luid, nextHop: undefined, isHost: false });
});

test("the site prefix of IPv4, which Windows gives and refuses, is taken away", () => {
  const row = Buffer.alloc(168, 0x40);
  changeInterfaceRow(row, 4, { mtu: 1400 });
  expect([row.readUInt32LE(144), row.readUInt32LE(152), row[44]]).toEqual([0, 1400, 0x40]);
  changeInterfaceRow(row, 6, { metric: 7 });
  expect([row.readUInt32LE(148), row[44]]).toEqual([7, 0]);
  changeInterfaceRow(row, 6, { metric: "automatic" });
  expect([row.readUInt32LE(148), row[44]]).toEqual([7, 1]);
});

test("a GUID in memory's order", () => {
  expect(guidBytes("{4d36e972-e325-11ce-bfc1-08002be10318}")?.toString("hex")).toBe(
    "72e9364d25e3ce11bfc108002be10318",
  );
  expect(guidBytes("4d36e972")).toBeUndefined();
});
