/**
 * What is set on an adapter, over an IP Helper that fails when a test wants it: what is ours is known after a failure too.
 */
import { expect, test } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { parseAddress, parsePrefix } from "../../../src/core/validate.ts";
import { Configuration } from "../../../src/windows/configure.ts";
import { type IpRoute, routeText } from "../../../src/windows/ip-rows.ts";
import type { IpHelper } from "../../../src/windows/win32/iphelper.ts";

const LUID = 7n;

function setUp() {
  const routes = new Set<string>();
  const fail: { add?: string; remove?: string } = {};
  const refuse = (wanted: string | undefined, text: string) => {
    if (text === wanted) throw new DcoError("permission", `not ${text}`);
  };
  const ip: Partial<IpHelper> = {
    hasIp: () => true,
    addresses: () => [],
    addRoute(route: IpRoute) {
      const text = routeText(route);
      refuse(fail.add, text);
      if (routes.has(text)) throw new DcoError("exists", text);
      routes.add(text);
    },
    deleteRoute(route: IpRoute) {
      refuse(fail.remove, routeText(route));
      routes.delete(routeText(route));
    },
    findRoute: () => ({ luid: 9n, nextHop: Uint8Array.of(192, 0, 2, 1), isHost: false }),
  };
  const configuration = new Configuration(ip as IpHelper, LUID);
  const prefix = (text: string) => parsePrefix(text, "x", { hostBits: "refuse" });
  const nothing = {
    addresses: undefined,
    mtu: undefined,
    up: undefined,
    routes: undefined,
    bypass: undefined,
  };
  const set = (...texts: string[]) => {
    const wanted = texts.map((text) => ({ destination: prefix(text), via: undefined, metric: undefined }));
    return configuration.apply({ ...nothing, routes: wanted }, undefined);
  };
  const setBypass = (...texts: string[]) =>
    configuration.apply({ ...nothing, bypass: texts.map((text) => parseAddress(text, "x")) }, undefined);
  return { configuration, prefix, routes, fail, set, setBypass };
}

test("a route that could not be set is set by the next call, and one that was set is not set twice", async () => {
  const { routes, fail, set } = setUp();
  fail.add = "10.2.0.0/16";
  await expect(set("10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16")).rejects.toMatchObject({
    code: "permission",
  });
  expect([...routes]).toEqual(["10.1.0.0/16"]);
  delete fail.add;
  await set("10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16");
  expect([...routes]).toEqual(["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]);
});

test("a route that could not be removed is removed by the next call, or in the end", async () => {
  const { configuration, routes, fail, set } = setUp();
  await set("10.1.0.0/16", "10.2.0.0/16");
  fail.remove = "10.1.0.0/16";
  await expect(set("10.3.0.0/16")).rejects.toMatchObject({ code: "permission" });
  delete fail.remove;
  configuration.close();
  expect([...routes]).toEqual([]);
});

test("routes of peers are the peers' own, and go in the end", () => {
  const { configuration, prefix, routes, fail } = setUp();
  configuration.setPeerRoutes(1, [prefix("10.1.0.0/16"), prefix("10.2.0.0/16")]);
  fail.add = "10.4.0.0/16";
  expect(() => configuration.setPeerRoutes(2, [prefix("10.3.0.0/16"), prefix("10.4.0.0/16")])).toThrow(
    "not 10.4",
  );
  configuration.setPeerRoutes(1, [prefix("10.2.0.0/16")]);
  expect([...routes]).toEqual(["10.2.0.0/16", "10.3.0.0/16"]);
  configuration.close();
  expect([...routes]).toEqual([]);
});

test("a bypass route that could not be removed is not forgotten", async () => {
  const { configuration, routes, fail, setBypass } = setUp();
  await setBypass("198.51.100.1");
  expect([...routes]).toEqual(["198.51.100.1/32 via 192.0.2.1"]);
  fail.remove = "198.51.100.1/32 via 192.0.2.1";
  await expect(setBypass()).rejects.toMatchObject({ code: "permission" });
  delete fail.remove;
  configuration.close();
  expect([...routes]).toEqual([]);
});
