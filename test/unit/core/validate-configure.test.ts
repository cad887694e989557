import { describe, expect, it } from "vitest";
import { validateConfigure } from "../../../src/core/validate.ts";
import { capabilities, expectInvalid, expectUnsupported } from "./fixtures.ts";

const configure = (config: unknown, kernel = capabilities()) => validateConfigure(config, "p2p", kernel);

describe("configure", () => {
  it("leaves alone what is left out", () => {
    expect(configure({})).toEqual({
      addresses: undefined,
      mtu: undefined,
      up: undefined,
      routes: undefined,
      bypass: undefined,
    });
  });

  it("takes addresses, routes and bypasses of both families", () => {
    const checked = configure({
      addresses: ["10.8.0.2/24", "fd00::2/64"],
      mtu: 1400,
      up: true,
      routes: ["0.0.0.0/0", "::/0", { destination: "192.168.7.0/24", via: "10.8.0.7", metric: 100 }],
      bypass: ["198.51.100.1", "::ffff:198.51.100.2"],
    });
    expect(checked).toMatchObject({ mtu: 1400, up: true });
    expect(checked.addresses).toMatchObject([
      { text: "10.8.0.2", length: 24 },
      { text: "fd00::2", length: 64 },
    ]);
    expect(checked.routes).toMatchObject([
      { destination: { text: "0.0.0.0", length: 0 }, via: undefined, metric: undefined },
      { destination: { text: "::", length: 0 } },
      { destination: { text: "192.168.7.0", length: 24 }, via: { text: "10.8.0.7" }, metric: 100 },
    ]);
    expect(checked.bypass).toMatchObject([{ text: "198.51.100.1" }, { text: "198.51.100.2", family: 4 }]);
  });

  it("takes empty lists, which remove what was there", () => {
    expect(
      configure({ addresses: [], routes: [], bypass: [] }, capabilities({ bypassRoutes: false })),
    ).toMatchObject({
      addresses: [],
      routes: [],
      bypass: [],
    });
  });

  it("takes IPv6 on a link that carries it, and IPv4 on a smaller one", () => {
    expect(configure({ mtu: 1280, addresses: ["fd00::1/64"] }).mtu).toBe(1280);
    expect(configure({ mtu: 68, addresses: ["10.8.0.2/24"] }).mtu).toBe(68);
    expect(configure({ mtu: 1279 }).mtu).toBe(1279);
  });

  it("takes two routes to one destination with different metrics", () => {
    const routes = [1, 2].map((metric) => ({ destination: "10.0.0.0/8", metric }));
    expect(configure({ routes }).routes).toHaveLength(2);
  });

  it.each<[string, unknown, string, RegExp]>([
    ["nothing", undefined, "config", /is missing/],
    ["an unknown field", { address: "10.8.0.2/24" }, "address", /unknown option "address"/],
    ["addresses that are no array", { addresses: "10.8.0.2/24" }, "addresses", /must be an array/],
    ["an address without a length", { addresses: ["10.8.0.2"] }, "addresses[0]", /needs a prefix length/],
    ["an address with length 0", { addresses: ["10.8.0.2/0"] }, "addresses[0]", /every address/],
    ["an unspecified address", { addresses: ["0.0.0.0/8"] }, "addresses[0]", /an unspecified address/],
    ["a multicast address", { addresses: ["ff02::1/64"] }, "addresses[0]", /a multicast address/],
    ["a hole", { addresses: new Array(1) }, "addresses[0]", /is missing/],
    [
      "an address twice",
      { addresses: ["fd00::1/64", "FD00:0::1/48"] },
      "addresses[1]",
      /is also addresses\[0\]/,
    ],
    ["a small MTU", { mtu: 67 }, "mtu", /from 68 to 65451, not 67/],
    ["a large MTU", { mtu: 65452 }, "mtu", /from 68 to 65451/],
    ["a fractional MTU", { mtu: 1400.5 }, "mtu", /integer/],
    [
      "an MTU too small for IPv6",
      { mtu: 1279, addresses: ["fd00::1/64"] },
      "mtu",
      /IPv6 needs at least 1280/,
    ],
    ["up as text", { up: "yes" }, "up", /true or false/],
    ["host bits in a route", { routes: ["10.1.0.0/8"] }, "routes[0]", /the prefix is 10\.0\.0\.0\/8/],
    [
      "host bits in a route object",
      { routes: [{ destination: "10.1.0.0/8" }] },
      "routes[0].destination",
      /10\.0\.0\.0\/8/,
    ],
    ["a route that is null", { routes: [null] }, "routes[0]", /not null/],
    [
      "an unknown field of a route",
      { routes: [{ destination: "::/0", dev: 1 }] },
      "routes[0].dev",
      /unknown option/,
    ],
    [
      "a next hop of the other family",
      { routes: [{ destination: "::/0", via: "10.8.0.1" }] },
      "routes[0].via",
      /family/,
    ],
    [
      "a next hop that is none",
      { routes: [{ destination: "::/0", via: "::" }] },
      "routes[0].via",
      /unspecified/,
    ],
    ["a negative metric", { routes: [{ destination: "::/0", metric: -1 }] }, "routes[0].metric", /from 0 to/],
    ["a route twice", { routes: ["::/0", { destination: "::/0" }] }, "routes[1]", /is also routes\[0\]/],
    ["a bypass with a length", { bypass: ["198.51.100.0/24"] }, "bypass[0]", /is not an IP address/],
    ["a bypass twice", { bypass: ["::ffff:1.2.3.4", "1.2.3.4"] }, "bypass[1]", /is also bypass\[0\]/],
    ["a bypass of no host", { bypass: ["::"] }, "bypass[0]", /unspecified/],
  ])("refuses %s", (_what, config, field, problem) => {
    expectInvalid(() => configure(config), field, problem);
  });

  it("refuses a bypass where the driver has none", () => {
    const kernel = capabilities({ bypassRoutes: false });
    expectUnsupported(() => configure({ bypass: ["198.51.100.1"] }, kernel), "bypassRoutes");
    const routes = ["10.20.0.0/16", { destination: "10.21.0.0/16", metric: 0 }];
    expectUnsupported(() => configure({ routes }, capabilities({ routeMetric: false })), "routeMetric");
  });
});
