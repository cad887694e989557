import { describe, expect, test } from "vitest";
import type { RouteInfo, RouteRequest } from "../../../src/netlink/codec/route.ts";
import {
  decodeRoute,
  deleteRoute,
  dumpRoutes,
  getRoute,
  newRoute,
} from "../../../src/netlink/codec/route.ts";
import { AF_INET, AF_INET6 } from "../../../src/netlink/codec/rtnl.ts";
import { answersOf, builtMessage, CAPTURED, objects, v4, v6 } from "./support.ts";

const { index } = CAPTURED;

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
    const routes = objects(answersOf("dumproute v4"), decodeRoute).filter((route) => route?.protocol === 4);
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
    const routes = objects(answersOf("dumproute all"), decodeRoute).filter(
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
    expect(objects(answersOf("getroute v4 mark and interface"), decodeRoute)).toEqual([
      expect.objectContaining({
        destination: v4(198, 51, 100, 9),
        prefixLength: 32,
        gateway: v4(10, 77, 0, 1),
        interface: index,
        source: v4(10, 8, 0, 1),
        table: 254,
      }),
    ]);
    expect(objects(answersOf("getroute v6"), decodeRoute)).toEqual([
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
      const added = builtMessage((b) => newRoute(b, 1, request));
      expect([added.type, added.flags]).toEqual([24, 0x605]);
      expect(decodeRoute(added)).toEqual({
        ...base,
        interface: undefined,
        type: type ?? "unicast",
        ...fields,
        ...differs,
      });
      expect(builtMessage((b) => newRoute(b, 1, request, "replace")).flags).toBe(0x505);
    },
  );

  test("a removal matches any protocol, type and scope unless told otherwise", () => {
    const route = { destination: v4(10, 1, 0, 0), prefixLength: 16 };
    const removed = builtMessage((b) => deleteRoute(b, 1, route));
    expect([removed.type, removed.flags]).toEqual([25, 5]);
    expect(decodeRoute(removed)).toMatchObject({ protocol: 0, type: "unspecified", scope: 255, table: 254 });
    expect(
      decodeRoute(builtMessage((b) => deleteRoute(b, 1, { ...route, protocol: 4, type: "blackhole" }))),
    ).toMatchObject({
      protocol: 4,
      type: "blackhole",
    });
  });

  test("a lookup asks IPv4 for the table, which IPv6 gives by itself", () => {
    const flags = (destination: Uint8Array) => {
      const message = builtMessage((b) => getRoute(b, 1, { destination }));
      return message.view.getUint32(message.start + 8, true);
    };
    expect([flags(v4(10, 0, 0, 1)), flags(v6(0xfd00, 0, 0, 0, 0, 0, 0, 1))]).toEqual([0x1000, 0]);
  });

  test("a lookup from a source address gives its length too", () => {
    const lookup = builtMessage((b) =>
      getRoute(b, 1, { destination: v4(10, 0, 0, 1), source: v4(10, 0, 0, 2) }),
    );
    expect([...lookup.bytes.slice(lookup.start, lookup.start + 4)]).toEqual([AF_INET, 32, 32, 0]);
  });

  test("a dump names the family; other families and types are passed over or given as numbers", () => {
    const dump = builtMessage((b) => dumpRoutes(b, 1, AF_INET6));
    expect([dump.type, dump.flags, dump.view.getUint8(dump.start)]).toEqual([26, 0x301, AF_INET6]);
    const strange = (family: number, type: number) =>
      decodeRoute(
        builtMessage((b) => {
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
