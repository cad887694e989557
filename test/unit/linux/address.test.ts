import { describe, expect, test } from "vitest";
import type { AddressInfo } from "../../../src/netlink/codec/address.ts";
import {
  decodeAddress,
  deleteAddress,
  dumpAddresses,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_PERMANENT,
  newAddress,
} from "../../../src/netlink/codec/address.ts";
import { AF_INET, AF_INET6 } from "../../../src/netlink/codec/rtnl.ts";
import { answersOf, builtMessage, CAPTURED, objects, v4, v6 } from "./support.ts";

const { index } = CAPTURED;

describe("addresses", () => {
  test("of one interface", () => {
    const addresses = objects(answersOf("dumpaddr"), decodeAddress);
    expect(addresses.slice(0, 3)).toEqual([
      {
        index,
        address: v4(10, 8, 0, 1),
        prefixLength: 24,
        peer: undefined,
        flags: IFA_F_PERMANENT,
        scope: 0,
      },
      {
        index,
        address: v4(10, 9, 0, 1),
        prefixLength: 32,
        peer: v4(10, 9, 0, 2),
        flags: IFA_F_PERMANENT,
        scope: 0,
      },
      {
        index,
        address: v6(0xfd00, 0, 0, 0, 0, 0, 0, 1),
        prefixLength: 64,
        peer: undefined,
        flags: IFA_F_PERMANENT | IFA_F_NODAD,
        scope: 0,
      },
    ] satisfies AddressInfo[]);
  });

  test.each([
    ["IPv4", { index: 3, address: v4(10, 8, 0, 1), prefixLength: 24 }],
    ["IPv4 with a peer", { index: 3, address: v4(10, 8, 0, 1), peer: v4(10, 8, 0, 2), prefixLength: 32 }],
    ["IPv6", { index: 3, address: v6(0xfd00, 0, 0, 0, 0, 0, 0, 1), prefixLength: 64, flags: IFA_F_NODAD }],
    [
      "flags beyond eight bits",
      { index: 3, address: v4(10, 8, 0, 1), prefixLength: 24, flags: IFA_F_NOPREFIXROUTE | IFA_F_NODAD },
    ],
    ["a scope", { index: 3, address: v4(10, 8, 0, 1), prefixLength: 24, scope: 253 }],
  ])("%s is read back from the request", (_, request) => {
    const expected = { peer: undefined, flags: 0, scope: 0, ...request };
    const added = builtMessage((b) => newAddress(b, 1, request));
    expect([added.type, added.flags]).toEqual([20, 0x605]);
    expect(decodeAddress(added)).toEqual(expected);
    const removed = builtMessage((b) => deleteAddress(b, 1, request));
    expect([removed.type, removed.flags]).toEqual([21, 5]);
    expect(decodeAddress(removed)).toEqual(expected);
  });

  test("replacing is another flag than creating", () => {
    const address = { index: 3, address: v4(10, 8, 0, 1), prefixLength: 24 };
    expect(builtMessage((b) => newAddress(b, 1, address, "replace")).flags).toBe(0x505);
  });

  test("other families and a message without an address are passed over", () => {
    const none = builtMessage((b) => {
      b.beginMessage(20, 0, 0);
      b.word(AF_INET);
      b.word(1);
      b.endMessage();
    });
    const phonet = builtMessage((b) => {
      b.beginMessage(20, 0, 0);
      b.word(35);
      b.word(1);
      b.u8(2, 1);
      b.endMessage();
    });
    expect([none, phonet].map(decodeAddress)).toEqual([undefined, undefined]);
  });

  test("a prefix length that is no byte is refused", () => {
    const address = { index: 3, address: v4(10, 8, 0, 1), prefixLength: 300 };
    expect(() => builtMessage((b) => newAddress(b, 1, address))).toThrow(
      expect.objectContaining({ code: "invalid" }),
    );
  });

  test("a dump names interface and family", () => {
    const dump = builtMessage((b) => dumpAddresses(b, 1, 7, AF_INET6));
    expect([dump.type, dump.flags, dump.view.getUint32(16, true), dump.view.getUint32(20, true)]).toEqual([
      22, 0x301, 10, 7,
    ]);
  });
});
