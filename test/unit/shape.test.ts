/**
 * The shape of the contract fits every backend: the types say so here, shape/*.test.ts that core can work with it.
 */
import { describe, expect, expectTypeOf, test } from "vitest";
import type { BackendDriver, BackendInterface } from "../../src/core/backend.ts";
import type { Capabilities } from "../../src/core/capabilities.ts";
import { eitherMode } from "../../src/core/either-mode.ts";
import { FreebsdBackend } from "../../src/freebsd/backend.ts";
import { freebsdCapabilities } from "../../src/freebsd/capabilities.ts";
import { OvpnInterface as FreebsdInterface } from "../../src/freebsd/ovpn-interface.ts";
import { LinuxBackend } from "../../src/linux/backend.ts";
import { ovpnCapabilities } from "../../src/linux/capabilities.ts";
import { legacyCapabilities } from "../../src/linux/legacy/capabilities.ts";
import { OvpnInterface } from "../../src/linux/ovpn-interface.ts";
import { userspaceCapabilities } from "../../src/userspace/capabilities.ts";
import { UserspaceInterface } from "../../src/userspace/interface.ts";
import { WindowsBackend } from "../../src/windows/backend.ts";
import { windowsCapabilities } from "../../src/windows/capabilities.ts";
import { MultipeerInterface } from "../../src/windows/multipeer-interface.ts";
import { P2pInterface } from "../../src/windows/p2p-interface.ts";
import { capabilities as everything } from "./core/fixtures.ts";

const windows = (minor: number, mode?: "p2p" | "multipeer", chacha20 = true) =>
  windowsCapabilities({ version: { major: 2, minor }, chacha20, elevated: true }, mode);
const userspace = (tun: boolean) =>
  userspaceCapabilities({ tun, tunDevice: true, nativeSockets: true, chacha20: true });
const freebsd = (floats: boolean, replayProtection = false) =>
  freebsdCapabilities({ floats, replayProtection });

const INTERFACES: [name: string, capabilities: Capabilities][] = [
  ["Linux 6.16", ovpnCapabilities(false)],
  ["Linux 7.1", ovpnCapabilities(true)],
  ["ovpn-dco-v2 p2p", legacyCapabilities("p2p")],
  ["ovpn-dco-v2 multipeer", legacyCapabilities("multipeer")],
  ["FreeBSD 14", freebsd(false)],
  ["FreeBSD 15", freebsd(true, true)],
  ["Windows 2.0 p2p", windows(0, "p2p")],
  ["Windows 2.8 p2p", windows(8, "p2p")],
  ["Windows 2.5 multipeer", windows(5, "multipeer")],
  ["Windows 2.8 multipeer", windows(8, "multipeer")],
  ["userspace stream", userspace(false)],
  ["userspace TUN", userspace(true)],
];

test("every backend's class is a backend's interface", () => {
  expectTypeOf(OvpnInterface).instance.toExtend<BackendInterface>();
  expectTypeOf(FreebsdInterface).instance.toExtend<BackendInterface>();
  expectTypeOf(P2pInterface).instance.toExtend<BackendInterface>();
  expectTypeOf(MultipeerInterface).instance.toExtend<BackendInterface>();
  expectTypeOf(UserspaceInterface).instance.toExtend<BackendInterface>();
  expectTypeOf<LinuxBackend>().toExtend<BackendDriver>();
  expectTypeOf<FreebsdBackend>().toExtend<BackendDriver>();
  expectTypeOf<WindowsBackend>().toExtend<BackendDriver>();
  for (const { prototype } of [LinuxBackend, FreebsdBackend, WindowsBackend])
    expect(prototype).toHaveProperty("createInterface");
});

describe.each(INTERFACES)("capabilities of %s", (_name, capabilities) => {
  test("have every field, and no other", () => {
    expect(Object.keys(capabilities).sort()).toEqual(Object.keys(everything()).sort());
    const { eventQueue, ...others } = capabilities;
    expect(Object.values(others)).not.toContain(undefined);
    expect(eventQueue === undefined || eventQueue > 0).toBe(true);
  });

  test("are plain data", () => {
    expect(structuredClone(capabilities)).toEqual(capabilities);
  });

  test("do not contradict themselves", () => {
    const { mtu, modes, transports, listeners, ciphers } = capabilities;
    expect(mtu.min).toBeLessThanOrEqual(mtu.default);
    expect(mtu.default).toBeLessThanOrEqual(mtu.max);
    expect(modes.length).toBeGreaterThan(0);
    expect(transports).toEqual(expect.arrayContaining([...listeners]));
    expect(modes).toEqual(expect.arrayContaining([...capabilities.sourceCheck]));
    expect(ciphers).toEqual(expect.arrayContaining(["aes-128-gcm", "aes-192-gcm", "aes-256-gcm"]));
    expect(capabilities.maxTransports).toBeGreaterThanOrEqual(1);
    // Watching addresses means asking for them.
    if (capabilities.floatEvent === "poll") expect(capabilities.readPeers).toBe(true);
    // Who sees others' peers without harm can ask for them.
    if (capabilities.observe) expect(capabilities.readPeers).toBe(true);
    if (capabilities.survivesProcess) expect(capabilities.adoptInterface).toBe(true);
    // Several transports could not share the one address, and a dual-stack one has several.
    if (!capabilities.anyRemote) expect(capabilities).toMatchObject({ maxTransports: 1, dualStack: false });
    if (!capabilities.closeTransport) expect(capabilities.survivesProcess).toBe(false);
    if (capabilities.setRemote) expect(capabilities.anyRemote).toBe(true);
  });
});

describe("capabilities as the kernels have them", () => {
  test("FreeBSD: one UDP socket, inner counters with the last words of a peer, replay check by sysctl", () => {
    expect(freebsd(false)).toMatchObject({
      transports: ["udp"],
      maxTransports: 1,
      linkStats: false,
      finalStats: true,
      disarmKeepalive: false,
      floatEvent: "none",
      peerLocalAddress: false,
      replayProtection: "disabled",
    });
    expect(freebsd(true, true)).toMatchObject({
      floatEvent: "event",
      peerLocalAddress: true,
      replayProtection: "enabled",
    });
  });

  test("Windows: no key is deleted, in either mode; what a version lacks is not promised", () => {
    for (const mode of ["p2p", "multipeer"] as const) {
      expect(windows(8, mode)).toMatchObject({ deleteKey: false, readPeers: false, adoptSocket: false });
    }
    expect(windows(4).modes).toEqual(["p2p"]);
    expect(windows(5).modes).toEqual(["p2p", "multipeer"]);
    expect(windows(5, "multipeer")).toMatchObject({ floatEvent: "none", linkStats: false });
    expect(windows(6, "multipeer").floatEvent).toBe("event");
    expect(windows(7, "multipeer").linkStats).toBe(true);
    expect(windows(8, "p2p", false).ciphers).not.toContain("chacha20-poly1305");
  });

  test("Windows: in p2p mode transport and peer are one, in multipeer mode transport and interface", () => {
    expect(windows(8, "p2p")).toMatchObject({
      transports: ["udp", "tcp"],
      anyRemote: false,
      localAddressKnown: false,
      closeTransport: true,
      replacePeer: false,
      peerEndsTransport: ["udp", "tcp"],
    });
    expect(windows(8, "multipeer")).toMatchObject({
      transports: ["udp"],
      anyRemote: true,
      localAddressKnown: true,
      closeTransport: false,
      replacePeer: true,
      peerEndsTransport: [],
    });
  });

  test("ovpn-dco-v2: peers are listed in multipeer mode only, and float unauthenticated", () => {
    expect(legacyCapabilities("p2p").listPeers).toBe(false);
    expect(legacyCapabilities("multipeer").listPeers).toBe(true);
    expect(legacyCapabilities("p2p").floatAuthenticated).toBe(false);
  });

  test("userspace: without a TUN device there is no interface of the system, and no route", () => {
    expect(userspace(false)).toMatchObject({ systemInterface: false, bypassRoutes: false });
    expect(userspace(true)).toMatchObject({ systemInterface: true });
  });
});

describe("capabilities of a driver whose modes differ", () => {
  test("say what at least one mode can do", () => {
    expect(windows(8)).toEqual(eitherMode(windows(8, "p2p"), windows(8, "multipeer")));
    expect(windows(8)).toMatchObject({
      transports: ["udp", "tcp"],
      closeTransport: true,
      replacePeer: true,
      floatEvent: "event",
      deleteKey: false,
    });
    expect(windows(4)).toEqual(windows(4, "p2p"));
    expect(legacyCapabilities().listPeers).toBe(true);
  });

  test("are those of either mode in every field that is the same in both", () => {
    const [one, other] = [windows(8, "p2p"), windows(8, "multipeer")];
    const same = Object.entries(one).filter(
      ([name, value]) => JSON.stringify(value) === JSON.stringify(other[name as keyof Capabilities]),
    );
    expect(same.length).toBeGreaterThan(20);
    expect(windows(8)).toMatchObject(Object.fromEntries(same));
  });
});
