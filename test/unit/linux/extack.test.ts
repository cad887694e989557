import { describe, expect, test } from "vitest";
import { OVPN_LAYOUT } from "../../../src/linux/ovpn/messages.ts";
import { keyNew, peerNew } from "../../../src/linux/ovpn/requests.ts";
import { decodeAcknowledgement } from "../../../src/netlink/codec/acknowledgement.ts";
import { ADDRESS_LAYOUT } from "../../../src/netlink/codec/address.ts";
import { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import type { MessageLayout } from "../../../src/netlink/codec/extack.ts";
import { attributePath } from "../../../src/netlink/codec/extack.ts";
import { CTRL_LAYOUT } from "../../../src/netlink/codec/genl.ts";
import { LINK_LAYOUT } from "../../../src/netlink/codec/link.ts";
import { ROUTE_LAYOUT } from "../../../src/netlink/codec/route.ts";
import { answersOf, bytes, captured, GOLDEN } from "./support.ts";

/** Families that most kernels have, as far as the captured requests go. */
const ETHTOOL: MessageLayout = {
  header: 4,
  table: { header: { number: 1, type: "nest", table: { devIndex: { number: 1, type: "u32" } } } },
};
const NETDEV: MessageLayout = { header: 4, table: { ifindex: { number: 1, type: "u32" } } };

describe("what a real kernel pointed at", () => {
  test.each([
    ["getpolicy unknown attribute", CTRL_LAYOUT, "#99"],
    ["ethtool no such index", ETHTOOL, "header.dev-index"],
    ["ethtool nested, echoed", ETHTOOL, "header.dev-index"],
    ["ethtool unknown nested attribute", ETHTOOL, "header.#99"],
    ["ethtool nested flag missing", ETHTOOL, "header"],
    ["netdev missing attribute", NETDEV, "ifindex"],
    ["netdev out of range", NETDEV, "ifindex"],
    ["newlink name too long", LINK_LAYOUT, "name"],
    ["newlink wrong size", LINK_LAYOUT, "mtu"],
    ["newlink wrong nested size", LINK_LAYOUT, "info.data.mode"],
  ] as [string, MessageLayout, string][])("%s", (name, layout, path) => {
    const [error] = answersOf(name);
    const { errno, extack } = decodeAcknowledgement(error as NonNullable<typeof error>);
    expect(errno).toBeGreaterThan(0);
    expect(attributePath(bytes(captured(name).request), extack, layout)).toBe(path);
  });

  test.each([
    ["newlink no such kind", LINK_LAYOUT, "Unknown device type"],
    ["newlink MTU too small", LINK_LAYOUT, "mtu less than device minimum"],
    ["newaddr v4 again", ADDRESS_LAYOUT, "ipv4: Address already assigned"],
    ["newroute v4 gateway unreachable", ROUTE_LAYOUT, "Nexthop has invalid gateway"],
  ] as [string, MessageLayout, string][])("nothing but a sentence: %s", (name, layout, text) => {
    const [error] = answersOf(name);
    const { extack } = decodeAcknowledgement(error as NonNullable<typeof error>);
    expect(extack.text).toBe(text);
    expect(attributePath(bytes(captured(name).request), extack, layout)).toBeUndefined();
  });
});

describe("in a request of the ovpn family", () => {
  const request = bytes(GOLDEN.peerNew);
  const at = (offset: number) => attributePath(request, { offset }, OVPN_LAYOUT);

  test("an offset names the attribute that starts there", () => {
    expect([at(20), at(28), at(32), at(40), at(48), at(56), at(64), at(72), at(80)]).toEqual([
      "ifindex",
      "peer",
      "peer.id",
      "peer.socket",
      "peer.remote-ipv4",
      "peer.remote-port",
      "peer.vpn-ipv4",
      "peer.keepalive-interval",
      "peer.keepalive-timeout",
    ]);
  });

  test("an offset into a payload names the attribute around it", () => {
    expect([at(24), at(52), at(86)]).toEqual(["ifindex", "peer.remote-ipv4", "peer.keepalive-timeout"]);
  });

  test("an offset outside of every attribute names nothing", () => {
    expect([at(0), at(16), at(request.length), at(0xffffffff)]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("a missing attribute is named with the nest that lacks it", () => {
    const missing = (missingType: number, missingNest?: number) =>
      attributePath(
        request,
        missingNest === undefined ? { missingType } : { missingType, missingNest },
        OVPN_LAYOUT,
      );
    expect([missing(3), missing(5, 28), missing(99, 28), missing(99), missing(5, 4000)]).toEqual([
      "keyconf",
      "peer.remote-port",
      "peer.#99",
      "#99",
      undefined,
    ]);
  });

  test("a key's attributes are named through both nests", () => {
    const key = bytes(GOLDEN.keyNew);
    expect(attributePath(key, { offset: 64 }, OVPN_LAYOUT)).toBe("keyconf.encrypt-dir");
    expect(attributePath(key, { offset: 68 }, OVPN_LAYOUT)).toBe("keyconf.encrypt-dir.cipher-key");
    expect(attributePath(key, { missingType: 2, missingNest: 100 }, OVPN_LAYOUT)).toBe(
      "keyconf.decrypt-dir.nonce-tail",
    );
  });

  test("in a batch the offset counts from the message that failed", () => {
    const builder = new MessageBuilder();
    const target = { family: GOLDEN.family, ifindex: 7 };
    const direction = { key: new Uint8Array(32), nonceTail: new Uint8Array(8) };
    peerNew(builder, target, 1, { id: 1, socket: 3 });
    keyNew(builder, target, 2, {
      peer: 1,
      slot: "primary",
      keyId: 0,
      cipher: "aes-gcm",
      encrypt: direction,
      decrypt: direction,
    });
    expect(attributePath(builder.message(1), { offset: 56 }, OVPN_LAYOUT)).toBe("keyconf.cipher-alg");
  });
});
