/** What the driver itself says: answers and notifications of a real kernel with `ovpn`. */

import { describe, expect, test } from "vitest";
import { decodeCounters } from "../../../src/linux/ovpn/counters-reply.ts";
import { describeOvpn } from "../../../src/linux/ovpn/describe.ts";
import { OVPN, OVPN_COMMANDS, OVPN_LAYOUT, PEER } from "../../../src/linux/ovpn/messages.ts";
import { decodePeer } from "../../../src/linux/ovpn/peer-reply.ts";
import { decodeKey, decodeNotification } from "../../../src/linux/ovpn/replies.ts";
import { isAcknowledgement } from "../../../src/netlink/codec/acknowledgement.ts";
import { attributePath } from "../../../src/netlink/codec/extack.ts";
import { decodeFamily } from "../../../src/netlink/codec/genl.ts";
import { decodeLink, LINK_LAYOUT } from "../../../src/netlink/codec/link.ts";
import type { NetlinkMessage } from "../../../src/netlink/codec/message.ts";
import { parseDatagram } from "../../../src/netlink/codec/message.ts";
import { PolicySet } from "../../../src/netlink/codec/policy.ts";
import { bytes, endOf, OVPN_CAPTURED, OVPN_POLICY_6_18, objects } from "./support.ts";

const { family, server, client } = OVPN_CAPTURED;

function exchange(name: string) {
  const found = OVPN_CAPTURED.exchanges.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no captured exchange "${name}"`);
  return found;
}

function answersOf(name: string): NetlinkMessage[] {
  return exchange(name).answers.flatMap((answer) => parseDatagram(bytes(answer)));
}

/** Name, errno, text, and the attribute that the kernel pointed at. */
const REFUSED: [string, number, string | undefined, string | undefined][] = [
  ["key-get empty", 2, "ovpn: cannot extract key from slot 1 for peer 1", undefined],
  ["peer-new exists", 17, "ovpn: cannot add new peer (id=1) to hashtable: -17", undefined],
  ["peer-new id too large", 34, "integer out of range", "peer.id"],
  ["peer-new port 0", 34, "integer out of range", "peer.remote-port"],
  ["peer-new without port", 22, "ovpn: cannot specify remote IP address without port", undefined],
  ["peer-new without remote", 22, "ovpn: missing remote IP address for UDP socket", undefined],
  ["peer-new without vpn", 22, "ovpn: at least one VPN IP must be configured in MP mode", undefined],
  ["peer-new half a keepalive", 22, "ovpn: keepalive interval and timeout are required together", undefined],
  ["peer-new bad fd", 88, "ovpn: cannot lookup peer socket (fd=4000): -9", undefined],
  ["peer-new listening TCP", 88, "ovpn: cannot encapsulate socket: -22", undefined],
  ["peer-new busy socket", 88, "ovpn: cannot encapsulate socket: -16", undefined],
  ["peer-new vpn in p2p", 22, "ovpn: unexpected VPN IP in P2P mode", undefined],
  ["peer-get unknown", 2, "ovpn: cannot find peer with id 99", undefined],
  ["peer-del unknown", 2, "ovpn: cannot find peer with id 99", undefined],
  ["key-new unknown peer", 2, "ovpn: no peer with id 99 to set key for", undefined],
  ["key-new key id 8", 34, "integer out of range", "keyconf.key-id"],
  ["key-new key size", 22, "ovpn: cannot install new key for peer 1", undefined],
  ["key-new nonce size", 34, "binary attribute size out of range", "keyconf.decrypt-dir.nonce-tail"],
  ["key-new cipher none", 22, "ovpn: unsupported cipher", undefined],
  ["key-new echoed", 34, "integer out of range", "keyconf.key-id"],
  ["no such interface", 19, "ovpn: ifindex does not match any interface", undefined],
  ["not an ovpn interface", 22, "ovpn: specified interface is not ovpn", "ifindex"],
  ["peer-new missing socket", 22, undefined, "peer.socket"],
  ["peer-get missing id", 22, undefined, "peer.id"],
  ["peer-get missing nest", 22, undefined, "peer"],
  ["peer-new unknown attribute", 22, "Unknown attribute type", "peer.#99"],
  ["peer-new unsupported attribute", 22, "Unsupported attribute", "peer.local-port"],
  ["peer-new wrong size", 22, "invalid attribute length", "peer.id"],
  ["nest without its flag", 22, "NLA_F_NESTED is missing", "peer"],
];

test("the kernel took every other request of the codec", () => {
  const refused = OVPN_CAPTURED.exchanges.filter(
    ({ name, request }) => request !== "" && endOf(answersOf(name)).errno !== 0,
  );
  expect(refused.map(({ name }) => name).sort()).toEqual(
    ["newlink bad mode", ...REFUSED.map(([name]) => name)].sort(),
  );
});

describe("what the kernel refused, why, and where", () => {
  test.each(REFUSED)("%s", (name, errno, text, path) => {
    const { errno: got, extack } = endOf(answersOf(name));
    expect([got, extack.text]).toEqual([errno, text]);
    expect(attributePath(bytes(exchange(name).request), extack, OVPN_LAYOUT)).toBe(path);
  });

  test("a mode that does not exist, by the link's layout", () => {
    const { errno, extack } = endOf(answersOf("newlink bad mode"));
    expect(errno).toBe(34);
    expect(extack.policy).toMatchObject({ minValue: 0n, maxValue: 1n });
    expect(attributePath(bytes(exchange("newlink bad mode").request), extack, LINK_LAYOUT)).toBe(
      "info.data.mode",
    );
  });

  test("the range that an id has to be in", () => {
    expect(endOf(answersOf("peer-new id too large")).extack.policy).toMatchObject({
      minValue: 0n,
      maxValue: 0xffffffn,
    });
  });

  test("a dump that fails ends with NLMSG_DONE, not with NLMSG_ERROR", () => {
    expect(answersOf("no such interface").map((message) => message.type)).toEqual([3]);
  });
});

describe("the family", () => {
  test("has the request commands and the group", () => {
    const [described] = objects(answersOf("getfamily ovpn"), decodeFamily);
    expect(described).toMatchObject({
      id: family,
      name: "ovpn",
      version: 1,
      groups: { peers: OVPN_CAPTURED.group },
    });
    expect(described?.operations.map(({ id }) => id)).toEqual([1, 2, 3, 4, 6, 7, 8, 10]);
  });

  test.each(["getpolicy ovpn", "getpolicy peer-new"])(
    "tells by %s that it takes tx-id in peer-new",
    (name) => {
      const set = new PolicySet();
      for (const message of answersOf(name)) if (!isAcknowledgement(message)) set.add(message);
      const inPeer = (attribute: number) => set.find(OVPN_COMMANDS.peerNew, [OVPN.peer.number, attribute]);
      expect(inPeer(PEER.txId.number)).toMatchObject({ type: 4, maxValue: 0xffffffn });
      expect(inPeer(PEER.localPort.number)).toBeUndefined();
      expect(inPeer(25)).toBeUndefined();
    },
  );
});

test("a kernel before 7.1 tells that it does not take tx-id", () => {
  const dump = OVPN_POLICY_6_18.exchanges.find(({ name }) => name === "getpolicy peer-new");
  const set = new PolicySet();
  for (const message of dump?.answers.flatMap((answer) => parseDatagram(bytes(answer))) ?? []) {
    if (!isAcknowledgement(message)) set.add(message);
  }
  const inPeer = (attribute: number) => set.find(OVPN_COMMANDS.peerNew, [OVPN.peer.number, attribute]);
  expect(inPeer(PEER.keepaliveTimeout.number)).toMatchObject({ type: 4 });
  expect(inPeer(PEER.txId.number)).toBeUndefined();
});

describe("links", () => {
  test("tell their mode, alias and carrier", () => {
    const created = { kind: "ovpn", alias: "owner 1", up: true, mtu: 1416 };
    expect(objects(answersOf("getlink ovpn0"), decodeLink)).toEqual([
      expect.objectContaining({
        ...created,
        index: server,
        name: "ovpn0",
        ovpnMode: 1,
        carrier: true,
        lowerUp: true,
      }),
    ]);
    expect(objects(answersOf("getlink ovpn1"), decodeLink)).toEqual([
      expect.objectContaining({
        ...created,
        index: client,
        name: "ovpn1",
        ovpnMode: 0,
        carrier: false,
        lowerUp: false,
        running: false,
        operstate: "down",
      }),
    ]);
    expect(objects(answersOf("getlink with carrier"), decodeLink)).toEqual([
      expect.objectContaining({
        index: client,
        carrier: true,
        lowerUp: true,
        running: true,
        operstate: "up",
      }),
    ]);
  });
});

describe("peers", () => {
  const first = {
    id: 1,
    txId: 77,
    remoteAddress: Uint8Array.of(127, 0, 0, 1),
    remotePort: 40000,
    remoteScopeId: 0,
    localAddress: Uint8Array.of(127, 0, 0, 1),
    localPort: 1194,
    vpnIpv4: Uint8Array.of(10, 8, 0, 2),
    vpnIpv6: Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2),
    keepaliveInterval: 100,
    keepaliveTimeout: 600,
    socketNetnsId: undefined,
  };
  const second = {
    id: 2,
    txId: 2,
    remoteAddress: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    remotePort: 40000,
    remoteScopeId: 0,
    localAddress: new Uint8Array(16),
    localPort: 1194,
    vpnIpv4: Uint8Array.of(10, 8, 0, 3),
    vpnIpv6: undefined,
    keepaliveInterval: 0,
    keepaliveTimeout: 0,
    socketNetnsId: undefined,
  };

  test("over IPv4 and IPv6, one by one and in a dump", () => {
    expect(objects(answersOf("peer-get v4"), decodePeer)).toEqual([first]);
    expect(objects(answersOf("peer-get v6"), decodePeer)).toEqual([second]);
    expect(objects(answersOf("peer-get dump"), decodePeer)).toEqual([first, second]);
    expect(objects(answersOf("peer-get dump p2p"), decodePeer)).toEqual([]);
  });

  test("count what they received, at the address that they moved to", () => {
    expect(objects(answersOf("peer-get floated"), decodePeer)).toEqual([{ ...first, remotePort: 40001 }]);
    const none = { rxBytes: 0n, txBytes: 0n, rxPackets: 0n, txPackets: 0n };
    const link = { ...none, rxBytes: 80n, rxPackets: 2n };
    expect(objects(answersOf("peer-get floated"), decodeCounters)).toEqual([{ id: 1, vpn: none, link }]);
    expect(objects(answersOf("peer-get v4"), decodeCounters)).toEqual([{ id: 1, vpn: none, link: none }]);
  });
});

test("keys are told by slot, id and cipher", () => {
  expect(objects(answersOf("key-get"), decodeKey)).toEqual([
    { peer: 1, slot: "primary", keyId: 3, cipher: "aes-gcm" },
  ]);
  expect(objects(answersOf("key-get after swap"), decodeKey)).toEqual([
    { peer: 1, slot: "primary", keyId: 4, cipher: "chacha20-poly1305" },
  ]);
});

test("every notification that the kernel could be made to send", () => {
  const all = OVPN_CAPTURED.exchanges
    .filter(({ name }) => /-ntf/.test(name))
    .flatMap(({ name }) => objects(answersOf(name), decodeNotification));
  expect(all).toEqual([
    {
      type: "peer-float-ntf",
      ifindex: server,
      peer: 1,
      remoteAddress: Uint8Array.of(127, 0, 0, 1),
      remotePort: 40001,
      remoteScopeId: 0,
    },
    { type: "peer-del-ntf", ifindex: server, peer: 1, reason: "userspace" },
    { type: "peer-del-ntf", ifindex: server, peer: 2, reason: "transport-disconnect" },
    { type: "peer-del-ntf", ifindex: client, peer: 5, reason: "expired" },
    { type: "peer-del-ntf", ifindex: client, peer: 6, reason: "teardown" },
  ]);
});

test("a trace of all this shows no key, also where the kernel returned one", () => {
  const { request, answers } = exchange("key-new echoed");
  // The key's pattern: b0 b1 b2..., and c0 c1 c2... of the nonce tail. The kernel's answer does hold it.
  const secret = /b0b1|b1b2|c0c1|c1c2|bebf/;
  expect(secret.test(answers.join(""))).toBe(true);
  const traced = [request, ...answers].flatMap((hex) => describeOvpn(bytes(hex), family));
  expect(traced.map((message) => message.message)).toEqual(["ovpn key-new", "error"]);
  expect(JSON.stringify(traced)).not.toMatch(secret);
  expect(traced[1]?.attributes).toMatchObject({ text: "integer out of range" });
});
