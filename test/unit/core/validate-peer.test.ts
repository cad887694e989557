import { describe, expect, it } from "vitest";
import type { InterfaceMode } from "../../../src/core/model.ts";
import { MAX_PEER_ID } from "../../../src/core/model.ts";
import {
  checkRouteFamilies,
  MAX_KEEPALIVE_SECONDS,
  parsePrefix,
  validateAddPeer,
  validatePeerId,
  validateSetPeer,
} from "../../../src/core/validate.ts";
import { capabilities, expectInvalid, expectUnsupported } from "./fixtures.ts";

const transport = {};
const p2p = { id: 1, transport };
const multipeer = { ...p2p, vpn: { ipv4: "10.8.0.7" } };

function add(options: unknown, mode: InterfaceMode = "p2p", kernel = capabilities(), path?: string) {
  return validateAddPeer(options, { mode, capabilities: kernel, ...(path !== undefined && { path }) });
}

function set(options: unknown, mode: InterfaceMode = "p2p", kernel = capabilities()) {
  return validateSetPeer(options, { mode, capabilities: kernel });
}

describe("peer ids", () => {
  it("are 24 bits without the highest, which means undefined on the wire", () => {
    expect(MAX_PEER_ID).toBe(0xfffffe);
    expect(validatePeerId(0)).toBe(0);
    expect(validatePeerId(0xfffffe)).toBe(0xfffffe);
    expect(Object.is(validatePeerId(-0), 0)).toBe(true);
  });

  it.each([
    [-1],
    [1.5],
    [0xffffff],
    [0x1000000],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    ["1"],
    [1n],
    [null],
    [undefined],
  ])("%s is none", (id) => {
    expectInvalid(() => validatePeerId(id), "id", /an integer from 0 to 16777214/);
    expectInvalid(() => validatePeerId(id, "ids[3]"), "ids[3]", /an integer from 0 to 16777214/);
  });
});

describe("addPeer", () => {
  it("takes a p2p peer with nothing but an id and a transport", () => {
    const { request, transport: given, keepalive } = add(p2p);
    expect(given).toBe(transport);
    expect(keepalive).toBeUndefined();
    expect(request).toEqual({
      id: 1,
      replace: false,
      remote: undefined,
      local: undefined,
      vpn4: undefined,
      vpn6: undefined,
      routes: undefined,
      keepalive: undefined,
      txId: undefined,
    });
  });

  it("takes a multipeer peer with everything", () => {
    const { request, keepalive } = add(
      {
        id: 7,
        transport,
        remote: "198.51.100.7:40000",
        local: "198.51.100.1",
        vpn: { ipv4: "10.8.0.7", ipv6: "fd00::7" },
        routes: ["192.168.7.0/24", "2001:db8:7::/48"],
        keepalive: { interval: 10, timeout: 60 },
        txId: 9,
        replace: true,
      },
      "multipeer",
    );
    expect(keepalive).toEqual({ interval: 10, timeout: 60 });
    expect(request).toMatchObject({ id: 7, txId: 9, replace: true, keepalive: undefined });
    expect(request.vpn4).toEqual(Uint8Array.of(10, 8, 0, 7));
    expect(request.vpn6).toHaveLength(16);
    expect(request.remote).toMatchObject({ text: "198.51.100.7", port: 40000 });
    expect(request.local).toMatchObject({ text: "198.51.100.1" });
    expect(request.routes).toMatchObject([{ length: 24 }, { length: 48 }]);
  });

  it("takes keepalive off, and interval equal to timeout", () => {
    expect(add({ ...p2p, keepalive: "off" }).keepalive).toBe("off");
    const both = { interval: MAX_KEEPALIVE_SECONDS, timeout: MAX_KEEPALIVE_SECONDS };
    expect(add({ ...p2p, keepalive: both }).keepalive).toEqual(both);
  });

  it("takes IPv4-mapped IPv6 as IPv4", () => {
    const { request } = add({ ...p2p, remote: "[::ffff:198.51.100.7]:1", local: "::ffff:198.51.100.1" });
    expect(request.remote).toMatchObject({ family: 4, text: "198.51.100.7" });
    expect(request.local).toMatchObject({ family: 4, text: "198.51.100.1" });
  });

  it.each<[string, object, string, RegExp]>([
    ["no id", { transport }, "id", /is missing/],
    ["a bad id", { ...p2p, id: 0xffffff }, "id", /from 0 to 16777214/],
    ["no transport", { id: 1 }, "transport", /is missing/],
    ["an unknown option", { ...p2p, vpnip: 1 }, "vpnip", /unknown option "vpnip"/],
    ["vpn addresses", { ...p2p, vpn: { ipv4: "10.8.0.7" } }, "vpn", /p2p interface has no VPN addresses/],
    ["no vpn addresses, but the object", { ...p2p, vpn: {} }, "vpn", /p2p interface/],
    ["remote port 0", { ...p2p, remote: "198.51.100.7:0" }, "remote.port", /from 1/],
    ["a bad remote", { ...p2p, remote: { address: "x", port: 1 } }, "remote.address", /is not an IP/],
    ["no host as remote", { ...p2p, remote: "[::]:1" }, "remote.address", /unspecified/],
    ["a bad local", { ...p2p, local: "198.51.100.1:0" }, "local", /is not an IP address/],
    ["no host as local", { ...p2p, local: "0.0.0.0" }, "local", /unspecified/],
    ["mixed families", { ...p2p, remote: "198.51.100.7:1", local: "2001:db8::1" }, "local", /family/],
    ["keepalive without timeout", { ...p2p, keepalive: { interval: 10 } }, "keepalive.timeout", /is missing/],
    [
      "keepalive without interval",
      { ...p2p, keepalive: { timeout: 60 } },
      "keepalive.interval",
      /is missing/,
    ],
    [
      "timeout below interval",
      { ...p2p, keepalive: { interval: 10, timeout: 9 } },
      "keepalive.timeout",
      /less than/,
    ],
    ["interval 0", { ...p2p, keepalive: { interval: 0, timeout: 60 } }, "keepalive.interval", /from 1 to/],
    [
      "a fractional interval",
      { ...p2p, keepalive: { interval: 0.5, timeout: 6 } },
      "keepalive.interval",
      /integer/,
    ],
    [
      "a timeout that a kernel's timer cannot hold",
      { ...p2p, keepalive: { interval: 1, timeout: MAX_KEEPALIVE_SECONDS + 1 } },
      "keepalive.timeout",
      /from 1 to 2147483/,
    ],
    ["keepalive on", { ...p2p, keepalive: "on" }, "keepalive", /must be "off"/],
    ["keepalive true", { ...p2p, keepalive: true }, "keepalive", /must be an object/],
    ["an unknown keepalive field", { ...p2p, keepalive: { ping: 1 } }, "keepalive.ping", /unknown option/],
    ["a bad txId", { ...p2p, txId: 0xffffff }, "txId", /from 0 to 16777214/],
    ["replace as text", { ...p2p, replace: "yes" }, "replace", /true or false/],
    ["host bits in a route", { ...p2p, routes: ["10.1.0.1/8"] }, "routes[0]", /the prefix is 10\.0\.0\.0\/8/],
    ["a route twice", { ...p2p, routes: ["::/0", "0::/0"] }, "routes[1]", /is also routes\[0\]/],
  ])("in p2p refuses %s", (_what, options, field, problem) => {
    expectInvalid(() => add(options), field, problem);
  });

  it.each<[string, object, string, RegExp]>([
    ["no vpn address", p2p, "vpn", /selects its peers by VPN address/],
    ["an empty vpn", { ...p2p, vpn: {} }, "vpn", /needs ipv4, ipv6 or both/],
    ["a vpn address that is text", { ...p2p, vpn: "10.8.0.7" }, "vpn", /must be an object/],
    ["an unspecified address", { ...p2p, vpn: { ipv4: "0.0.0.0" } }, "vpn.ipv4", /unspecified/],
    ["a multicast address", { ...p2p, vpn: { ipv4: "239.0.0.1" } }, "vpn.ipv4", /multicast/],
    ["the broadcast address", { ...p2p, vpn: { ipv4: "255.255.255.255" } }, "vpn.ipv4", /broadcast/],
    ["a loopback address", { ...p2p, vpn: { ipv6: "::1" } }, "vpn.ipv6", /loopback/],
    ["IPv6 as ipv4", { ...p2p, vpn: { ipv4: "fd00::7" } }, "vpn.ipv4", /is not an IPv4 address/],
    [
      "IPv4-mapped as ipv6",
      { ...p2p, vpn: { ipv6: "::ffff:10.8.0.7" } },
      "vpn.ipv6",
      /is not an IPv6 address/,
    ],
    ["a prefix", { ...p2p, vpn: { ipv4: "10.8.0.7/24" } }, "vpn.ipv4", /is not an IP address/],
    [
      "a route without an address",
      { ...multipeer, routes: ["10.0.0.0/8", "fd00::/64"] },
      "routes[1]",
      /vpn\.ipv6/,
    ],
  ])("in multipeer refuses %s", (_what, options, field, problem) => {
    expectInvalid(() => add(options, "multipeer"), field, problem);
  });

  it("tells the whole path in bulk calls", () => {
    const remote = { address: "198.51.100.7", port: 0 };
    const addThird = (options: unknown) => () => add(options, "p2p", capabilities(), "peers[3]");
    expectInvalid(addThird({ ...p2p, remote }), "peers[3].remote.port", /from 1/);
    expectInvalid(addThird({ ...p2p, x: 1 }), "peers[3].x", /unknown option/);
    expectInvalid(addThird({ ...p2p, routes: ["x"] }), "peers[3].routes[0]", /is not/);
    expectInvalid(addThird(undefined), "peers[3]", /is missing/);
  });

  it("refuses what the kernel lacks", () => {
    const local = { ...p2p, local: "198.51.100.1" };
    const lacking = (name: "peerLocalAddress" | "asymmetricPeerId" | "peerRoutes") =>
      capabilities({ [name]: false });
    expectUnsupported(() => add(local, "p2p", lacking("peerLocalAddress")), "peerLocalAddress");
    expectUnsupported(() => add({ ...p2p, txId: 2 }, "p2p", lacking("asymmetricPeerId")), "asymmetricPeerId");
    expectUnsupported(() => add({ ...p2p, routes: ["::/0"] }, "p2p", lacking("peerRoutes")), "peerRoutes");
  });

  it("takes no routes on any kernel", () => {
    expect(add({ ...p2p, routes: [] }, "p2p", capabilities({ peerRoutes: false })).request.routes).toEqual(
      [],
    );
  });

  it("takes a txId that is the id on any kernel", () => {
    const kernel = capabilities({ asymmetricPeerId: false });
    expect(add({ ...p2p, txId: 1 }, "p2p", kernel).request.txId).toBeUndefined();
    expect(add({ ...p2p, txId: 1 }).request.txId).toBe(1);
  });
});

describe("setPeer", () => {
  it("changes what is given and leaves the rest", () => {
    expect(set({ keepalive: { interval: 5, timeout: 30 } }).fields).toEqual({
      remote: undefined,
      local: undefined,
      vpn4: undefined,
      vpn6: undefined,
      routes: undefined,
      keepalive: { interval: 5, timeout: 30 },
      txId: undefined,
    });
    expect(set({ vpn: { ipv6: "fd00::8" } }, "multipeer").fields.vpn6).toHaveLength(16);
    expect(set({ routes: [] }).fields.routes).toEqual([]);
  });

  it.each<[string, object, string, RegExp]>([
    ["nothing", {}, "options", /nothing to change/],
    ["only undefined", { remote: undefined }, "options", /nothing to change/],
    ["the id", { id: 1, keepalive: "off" }, "id", /unknown option "id"/],
    ["a transport", { transport }, "transport", /unknown option/],
    ["vpn addresses in p2p", { vpn: { ipv4: "10.8.0.1" } }, "vpn", /p2p/],
    ["half a keepalive", { keepalive: { timeout: 60 } }, "keepalive.interval", /is missing/],
  ])("refuses %s", (_what, options, field, problem) => {
    expectInvalid(() => set(options), field, problem);
  });

  it("refuses what the kernel lacks", () => {
    const lacking = (name: "setRemote" | "setVpn" | "disarmKeepalive" | "asymmetricPeerId") =>
      capabilities({ [name]: false });
    expectUnsupported(() => set({ remote: "198.51.100.7:1" }, "p2p", lacking("setRemote")), "setRemote");
    expectUnsupported(() => set({ local: "198.51.100.7" }, "p2p", lacking("setRemote")), "setRemote");
    expectUnsupported(() => set({ vpn: { ipv4: "10.8.0.8" } }, "multipeer", lacking("setVpn")), "setVpn");
    expectUnsupported(() => set({ keepalive: "off" }, "p2p", lacking("disarmKeepalive")), "disarmKeepalive");
    expectUnsupported(() => set({ txId: 3 }, "p2p", lacking("asymmetricPeerId")), "asymmetricPeerId");
    const keepalive = { interval: 1, timeout: 2 };
    expect(set({ keepalive }, "p2p", lacking("disarmKeepalive")).fields.keepalive).toEqual(keepalive);
  });

  it("routes need a VPN address of their family", () => {
    const routes = [parsePrefix("fd00::/64", "routes[0]", { hostBits: "refuse" })];
    checkRouteFamilies(routes, { vpn4: undefined, vpn6: "fd00::1" }, "routes");
    expectInvalid(
      () => checkRouteFamilies(routes, { vpn4: "10.8.0.1", vpn6: undefined }, "routes"),
      "routes[0]",
      /fd00::\/64 needs a VPN address/,
    );
  });
});
