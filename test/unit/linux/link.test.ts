import { describe, expect, test } from "vitest";
import { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import {
  decodeLink,
  deleteLink,
  dumpLinks,
  getLink,
  newLink,
  setLink,
} from "../../../src/netlink/codec/link.ts";
import type { NetlinkMessage } from "../../../src/netlink/codec/message.ts";
import { parseDatagram } from "../../../src/netlink/codec/message.ts";
import { answersOf, built, builtMessage, CAPTURED, endOf, objects } from "./support.ts";

const { index } = CAPTURED;

test("a real kernel took every request that should succeed, and refused the others", () => {
  const refused: Record<string, number> = {};
  for (const { name, answers } of CAPTURED.exchanges) {
    if (answers.length > 0 && name !== "notifications" && endOf(answersOf(name)).errno !== 0)
      refused[name] = endOf(answersOf(name)).errno;
  }
  expect(refused).toEqual({
    "getfamily no-such-family": 2,
    "getfamily unknown, echoed": 2,
    "getfamily unknown, bare": 2,
    "getpolicy of no family": 2,
    "getpolicy unknown attribute": 22,
    "ethtool no such index": 19,
    "ethtool unknown nested attribute": 22,
    "ethtool nested flag missing": 22,
    "ethtool nested, echoed": 19,
    "netdev missing attribute": 22,
    "netdev out of range": 34,
    "newlink no such kind": 95,
    "newlink name too long": 34,
    "newlink exists": 17,
    "newlink wrong size": 34,
    "newlink wrong nested size": 34,
    "newlink MTU too small": 22,
    "getlink unknown": 19,
    "newaddr v4 again": 17,
    "newaddr prefix too long": 22,
    "newroute v4 gateway unreachable": 101,
    "newroute host bits": 22,
    "newroute metrics unknown": 22,
    "getroute v4 blackhole": 22,
    "delroute v4 again": 3,
    "deladdr v4 again": 99,
    "dellink again": 19,
  });
});

describe("links", () => {
  test("a link that is down, and one that is up", () => {
    const down = {
      index,
      name: "d0",
      up: false,
      running: false,
      lowerUp: false,
      operstate: "down",
      carrier: true,
      mtu: 1400,
      kind: "ifb",
      ovpnMode: undefined,
      alias: "owner 1",
      linkNetnsId: undefined,
    };
    expect(objects(answersOf("getlink by name"), decodeLink)).toEqual([expect.objectContaining(down)]);
    expect(objects(answersOf("getlink by index"), decodeLink)).toEqual([
      expect.objectContaining({ ...down, up: true, running: true, lowerUp: true, operstate: "unknown" }),
    ]);
  });

  test("a dump, after a rename that removed the alias", () => {
    const links = objects(answersOf("dumplink"), decodeLink);
    expect(links.map(({ name, kind }) => [name, kind])).toEqual([
      ["lo", undefined],
      ["d1", "ifb"],
    ]);
    expect(links[1]?.alias).toBeUndefined();
  });

  test("notifications of links, addresses and routes that come and go", () => {
    const types = answersOf("notifications").map((message) => message.type);
    expect([16, 17, 20, 21, 24, 25].filter((type) => !types.includes(type))).toEqual([]);
    const [gone] = answersOf("notifications").filter((message) => message.type === 17);
    expect(decodeLink(gone as NetlinkMessage)).toMatchObject({ index, name: "d1" });
  });

  test("a change masks only the flags that it names", () => {
    const words = (message: NetlinkMessage) =>
      [0, 4, 8, 12].map((at) => message.view.getUint32(message.start + at, true));
    expect(words(builtMessage((b) => setLink(b, 1, 9, { up: true })))).toEqual([0, 9, 1, 1]);
    expect(words(builtMessage((b) => setLink(b, 1, 9, { up: false })))).toEqual([0, 9, 0, 1]);
    expect(words(builtMessage((b) => setLink(b, 1, 9, { mtu: 1300 })))).toEqual([0, 9, 0, 0]);
  });

  test("requests select by index or by name, and give all that was asked for", () => {
    expect(
      decodeLink(builtMessage((b) => newLink(b, 1, { kind: "ovpn-dco", ovpnMode: 0, mtu: 1428 }))),
    ).toMatchObject({
      name: "",
      kind: "ovpn-dco",
      ovpnMode: 0,
      mtu: 1428,
    });
    const change = { name: "new0", alias: "é", netnsPid: 4242 };
    expect(decodeLink(builtMessage((b) => setLink(b, 1, 9, change)))).toMatchObject({
      index: 9,
      name: "new0",
      alias: "é",
    });
    // u32 number 58, as include/uapi/linux/if_link.h has it.
    const merging = Buffer.from("08003a0001000000", "hex");
    expect(built((b) => setLink(b, 1, 9, { groMaxSize: 1 })).includes(merging)).toBe(true);
    expect(built((b) => setLink(b, 1, 9, change)).includes(merging.subarray(0, 4))).toBe(false);
    const byName = decodeLink(
      builtMessage((b) => setLink(b, 1, { name: "d0" }, { alias: "mine", up: true })),
    );
    expect(byName).toMatchObject({ index: 0, name: "d0", alias: "mine", up: true });
    const deleted = builtMessage((b) => deleteLink(b, 3, { name: "gone0" }));
    expect([deleted.type, deleted.flags]).toEqual([17, 5]);
    expect(decodeLink(deleted)).toMatchObject({ index: 0, name: "gone0" });
    expect(decodeLink(builtMessage((b) => deleteLink(b, 3, { index: 12 })))).toMatchObject({ index: 12 });
    const got = builtMessage((b) => getLink(b, 3, { name: "x0" }));
    expect([got.type, got.flags]).toEqual([18, 5]);
    const dump = builtMessage((b) => dumpLinks(b, 3));
    expect([dump.type, dump.flags]).toEqual([18, 0x301]);
  });

  test("what another kind keeps in info.data is not taken for the mode of ovpn", () => {
    const data = "0800010005000000";
    const of = (kind: string) => {
      const builder = new MessageBuilder();
      builder.beginMessage(16, 0, 0);
      for (const word of [0, 5, 0, 0]) builder.word(word);
      const info = builder.beginNest(18);
      // The data before the kind: the order is not promised.
      builder.data(2, Buffer.from(data, "hex"));
      builder.string(1, kind);
      builder.endNest(info);
      builder.endMessage();
      const [message] = parseDatagram(builder.bytes());
      return () => decodeLink(message as NetlinkMessage);
    };
    expect(of("vxlan")()).toMatchObject({ kind: "vxlan", ovpnMode: undefined });
    expect(of("ovpn")).toThrow(expect.objectContaining({ code: "protocol", target: "link.info.data.mode" }));
  });
});
