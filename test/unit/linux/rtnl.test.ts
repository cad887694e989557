import { describe, expect, test } from "vitest";
import { decodeAcknowledgement, isAcknowledgement } from "../../../src/linux/netlink/acknowledgement.ts";
import type { AddressInfo } from "../../../src/linux/netlink/address.ts";
import {
  decodeAddress,
  deleteAddress,
  dumpAddresses,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_PERMANENT,
  newAddress,
} from "../../../src/linux/netlink/address.ts";
import { MessageBuilder } from "../../../src/linux/netlink/builder.ts";
import {
  decodeLink,
  deleteLink,
  dumpLinks,
  getLink,
  newLink,
  setLink,
} from "../../../src/linux/netlink/link.ts";
import type { NetlinkMessage } from "../../../src/linux/netlink/message.ts";
import { parseDatagram } from "../../../src/linux/netlink/message.ts";
import type { RouteInfo, RouteRequest } from "../../../src/linux/netlink/route.ts";
import {
  decodeRoute,
  deleteRoute,
  dumpRoutes,
  getRoute,
  newRoute,
} from "../../../src/linux/netlink/route.ts";
import { AF_INET, AF_INET6 } from "../../../src/linux/netlink/rtnl.ts";
import { answersOf, CAPTURED } from "./support.ts";

const { index } = CAPTURED;
const v4 = (...octets: number[]): Uint8Array => Uint8Array.from(octets);
const v6 = (...groups: number[]): Uint8Array =>
  Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));

/** The messages that `build` appends, decoded as if the kernel had sent them. */
function built(build: (builder: MessageBuilder) => void): NetlinkMessage {
  const builder = new MessageBuilder();
  build(builder);
  const [message] = parseDatagram(Buffer.from(builder.bytes()));
  return message as NetlinkMessage;
}

/** What the kernel answered, without the acknowledgement. */
function objects<T>(name: string, decode: (message: NetlinkMessage) => T): T[] {
  return answersOf(name)
    .filter((message) => !isAcknowledgement(message))
    .map(decode);
}

/** The errno with which the kernel ended the request. */
function errno(name: string): number {
  const [end] = answersOf(name).filter(isAcknowledgement);
  return decodeAcknowledgement(end as NetlinkMessage).errno;
}

test("a real kernel took every request that should succeed, and refused the others", () => {
  const refused: Record<string, number> = {};
  for (const { name, answers } of CAPTURED.exchanges) {
    if (answers.length > 0 && name !== "notifications" && errno(name) !== 0) refused[name] = errno(name);
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
    expect(objects("getlink by name", decodeLink)).toEqual([expect.objectContaining(down)]);
    expect(objects("getlink by index", decodeLink)).toEqual([
      expect.objectContaining({ ...down, up: true, running: true, lowerUp: true, operstate: "unknown" }),
    ]);
  });

  test("a dump, after a rename that removed the alias", () => {
    const links = objects("dumplink", decodeLink);
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
    expect(words(built((b) => setLink(b, 1, 9, { up: true })))).toEqual([0, 9, 1, 1]);
    expect(words(built((b) => setLink(b, 1, 9, { up: false })))).toEqual([0, 9, 0, 1]);
    expect(words(built((b) => setLink(b, 1, 9, { mtu: 1300 })))).toEqual([0, 9, 0, 0]);
  });

  test("requests select by index or by name, and give all that was asked for", () => {
    expect(
      decodeLink(built((b) => newLink(b, 1, { kind: "ovpn-dco", ovpnMode: 0, mtu: 1428 }))),
    ).toMatchObject({
      name: "",
      kind: "ovpn-dco",
      ovpnMode: 0,
      mtu: 1428,
    });
    const change = { name: "new0", alias: "é", netnsPid: 4242 };
    expect(decodeLink(built((b) => setLink(b, 1, 9, change)))).toMatchObject({
      index: 9,
      name: "new0",
      alias: "é",
    });
    const byName = decodeLink(built((b) => setLink(b, 1, { name: "d0" }, { alias: "mine", up: true })));
    expect(byName).toMatchObject({ index: 0, name: "d0", alias: "mine", up: true });
    const deleted = built((b) => deleteLink(b, 3, { name: "gone0" }));
    expect([deleted.type, deleted.flags]).toEqual([17, 5]);
    expect(decodeLink(deleted)).toMatchObject({ index: 0, name: "gone0" });
    expect(decodeLink(built((b) => deleteLink(b, 3, { index: 12 })))).toMatchObject({ index: 12 });
    const got = built((b) => getLink(b, 3, { name: "x0" }));
    expect([got.type, got.flags]).toEqual([18, 5]);
    const dump = built((b) => dumpLinks(b, 3));
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

describe("addresses", () => {
  test("of one interface", () => {
    const addresses = objects("dumpaddr", decodeAddress);
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
    const added = built((b) => newAddress(b, 1, request));
    expect([added.type, added.flags]).toEqual([20, 0x605]);
    expect(decodeAddress(added)).toEqual(expected);
    const removed = built((b) => deleteAddress(b, 1, request));
    expect([removed.type, removed.flags]).toEqual([21, 5]);
    expect(decodeAddress(removed)).toEqual(expected);
  });

  test("replacing is another flag than creating", () => {
    const address = { index: 3, address: v4(10, 8, 0, 1), prefixLength: 24 };
    expect(built((b) => newAddress(b, 1, address, "replace")).flags).toBe(0x505);
  });

  test("other families and a message without an address are passed over", () => {
    const none = built((b) => {
      b.beginMessage(20, 0, 0);
      b.word(AF_INET);
      b.word(1);
      b.endMessage();
    });
    const phonet = built((b) => {
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
    expect(() => built((b) => newAddress(b, 1, address))).toThrow(
      expect.objectContaining({ code: "invalid" }),
    );
  });

  test("a dump names interface and family", () => {
    const dump = built((b) => dumpAddresses(b, 1, 7, AF_INET6));
    expect([dump.type, dump.flags, dump.view.getUint32(16, true), dump.view.getUint32(20, true)]).toEqual([
      22, 0x301, 10, 7,
    ]);
  });
});

describe("routes", () => {
  const base: RouteInfo = {
    family: AF_INET,
    destination: undefined,
    prefixLength: 0,
    gateway: undefined,
    onlink: false,
    interface: index,
    metric: undefined,
    table: 254,
    mtu: undefined,
    source: undefined,
    protocol: 4,
    type: "unicast",
    scope: 0,
    flags: 0,
  };

  test("IPv4 in a dump: with metrics and table, onlink, on the link, blackhole, default", () => {
    const routes = objects("dumproute v4", decodeRoute).filter((route) => route?.protocol === 4);
    expect(routes).toEqual([
      {
        ...base,
        destination: v4(192, 0, 2, 0),
        prefixLength: 24,
        gateway: v4(10, 8, 0, 2),
        metric: 50,
        mtu: 1300,
        table: 1000,
      },
      { ...base, gateway: v4(10, 8, 0, 2) },
      { ...base, destination: v4(10, 66, 0, 0), prefixLength: 16, scope: 253 },
      { ...base, destination: v4(10, 67, 0, 0), prefixLength: 16, interface: undefined, type: "blackhole" },
      {
        ...base,
        destination: v4(198, 51, 100, 0),
        prefixLength: 24,
        gateway: v4(10, 77, 0, 1),
        onlink: true,
        flags: 4,
      },
    ]);
  });

  test("IPv6 in a dump: through a gateway, and unreachable", () => {
    const routes = objects("dumproute all", decodeRoute).filter(
      (route) => route?.family === AF_INET6 && route.protocol === 4,
    );
    expect(routes).toEqual([
      {
        ...base,
        family: AF_INET6,
        destination: v6(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0),
        prefixLength: 48,
        metric: 1024,
        interface: 1,
        type: "unreachable",
      },
      {
        ...base,
        family: AF_INET6,
        destination: v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        prefixLength: 32,
        gateway: v6(0xfd00, 0, 0, 0, 0, 0, 0, 2),
        metric: 7,
      },
    ]);
  });

  test("the route to an address", () => {
    expect(objects("getroute v4 mark and interface", decodeRoute)).toEqual([
      expect.objectContaining({
        destination: v4(198, 51, 100, 9),
        prefixLength: 32,
        gateway: v4(10, 77, 0, 1),
        interface: index,
        source: v4(10, 8, 0, 1),
        table: 254,
      }),
    ]);
    expect(objects("getroute v6", decodeRoute)).toEqual([
      expect.objectContaining({
        destination: v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5),
        gateway: v6(0xfd00, 0, 0, 0, 0, 0, 0, 2),
        interface: index,
        source: v6(0xfd00, 0, 0, 0, 0, 0, 0, 1),
      }),
    ]);
  });

  test.each([
    ["through a gateway", { destination: v4(10, 1, 0, 0), prefixLength: 16, gateway: v4(10, 8, 0, 2) }, {}],
    ["on the link", { destination: v4(10, 1, 0, 0), prefixLength: 16, interface: 5 }, { scope: 253 }],
    [
      "IPv6 on the link",
      { destination: v6(0xfd01, 0, 0, 0, 0, 0, 0, 0), prefixLength: 64, interface: 5 },
      { family: AF_INET6 },
    ],
    [
      "default",
      { destination: v6(0, 0, 0, 0, 0, 0, 0, 0), prefixLength: 0, interface: 5 },
      { family: AF_INET6, destination: undefined },
    ],
    ["unreachable", { destination: v4(10, 1, 0, 0), prefixLength: 16, type: "unreachable" }, {}],
    [
      "onlink",
      {
        destination: v4(10, 1, 0, 0),
        prefixLength: 16,
        gateway: v4(10, 9, 0, 1),
        interface: 5,
        onlink: true,
      },
      { flags: 4 },
    ],
    [
      "in a small table",
      { destination: v4(10, 1, 0, 0), prefixLength: 16, interface: 5, table: 100 },
      { scope: 253 },
    ],
    [
      "in a large table",
      { destination: v4(10, 1, 0, 0), prefixLength: 16, interface: 5, table: 70000 },
      { scope: 253 },
    ],
    [
      "with everything else",
      {
        destination: v4(10, 1, 0, 0),
        prefixLength: 16,
        interface: 5,
        metric: 0xffffffff,
        mtu: 1280,
        source: v4(10, 8, 0, 1),
        protocol: 3,
        scope: 200,
      },
      {},
    ],
  ] as [string, RouteRequest, Partial<RouteInfo>][])(
    "%s is read back from the request",
    (_, request, differs) => {
      const { type, ...fields } = request;
      const added = built((b) => newRoute(b, 1, request));
      expect([added.type, added.flags]).toEqual([24, 0x605]);
      expect(decodeRoute(added)).toEqual({
        ...base,
        interface: undefined,
        type: type ?? "unicast",
        ...fields,
        ...differs,
      });
      expect(built((b) => newRoute(b, 1, request, "replace")).flags).toBe(0x505);
    },
  );

  test("a removal matches any protocol, type and scope unless told otherwise", () => {
    const route = { destination: v4(10, 1, 0, 0), prefixLength: 16 };
    const removed = built((b) => deleteRoute(b, 1, route));
    expect([removed.type, removed.flags]).toEqual([25, 5]);
    expect(decodeRoute(removed)).toMatchObject({ protocol: 0, type: "unspecified", scope: 255, table: 254 });
    expect(
      decodeRoute(built((b) => deleteRoute(b, 1, { ...route, protocol: 4, type: "blackhole" }))),
    ).toMatchObject({
      protocol: 4,
      type: "blackhole",
    });
  });

  test("a lookup asks IPv4 for the table, which IPv6 gives by itself", () => {
    const flags = (destination: Uint8Array) => {
      const message = built((b) => getRoute(b, 1, { destination }));
      return message.view.getUint32(message.start + 8, true);
    };
    expect([flags(v4(10, 0, 0, 1)), flags(v6(0xfd00, 0, 0, 0, 0, 0, 0, 1))]).toEqual([0x1000, 0]);
  });

  test("a lookup from a source address gives its length too", () => {
    const lookup = built((b) => getRoute(b, 1, { destination: v4(10, 0, 0, 1), source: v4(10, 0, 0, 2) }));
    expect([...lookup.bytes.slice(lookup.start, lookup.start + 4)]).toEqual([AF_INET, 32, 32, 0]);
  });

  test("a dump names the family; other families and types are passed over or given as numbers", () => {
    const dump = built((b) => dumpRoutes(b, 1, AF_INET6));
    expect([dump.type, dump.flags, dump.view.getUint8(dump.start)]).toEqual([26, 0x301, AF_INET6]);
    const strange = (family: number, type: number) =>
      decodeRoute(
        built((b) => {
          b.beginMessage(24, 0, 0);
          b.word(family);
          b.word(type << 24);
          b.word(0);
          b.endMessage();
        }),
      );
    expect(strange(28, 1)).toBeUndefined();
    expect(strange(AF_INET, 200)?.type).toBe(200);
  });
});
