/**
 * The family `ovpn-dco-v2`: what a real kernel with the module answered, and the requests that it was asked with.
 */
import { describe, expect, test } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { errnoError } from "../../../src/ffi/errno.ts";
import { describeLegacyRefusal } from "../../../src/linux/legacy/errors.ts";
import { LEGACY_KIND, LEGACY_LAYOUT } from "../../../src/linux/legacy/messages.ts";
import {
  decodeLegacyCounters,
  decodeLegacyNotification,
  decodeLegacyPeer,
} from "../../../src/linux/legacy/replies.ts";
import * as requests from "../../../src/linux/legacy/requests.ts";
import { isAcknowledgement } from "../../../src/netlink/codec/acknowledgement.ts";
import { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import { describeDatagram } from "../../../src/netlink/codec/describe.ts";
import { attributePath } from "../../../src/netlink/codec/extack.ts";
import { decodeFamily } from "../../../src/netlink/codec/genl.ts";
import { genlKinds } from "../../../src/netlink/codec/kinds.ts";
import { decodeLink } from "../../../src/netlink/codec/link.ts";
import type { NetlinkMessage } from "../../../src/netlink/codec/message.ts";
import { parseDatagram } from "../../../src/netlink/codec/message.ts";
import { bytes, endOf, LEGACY_CAPTURED } from "./support.ts";

const { family, server, client, socket4, socket6, remote, group } = LEGACY_CAPTURED;
const target = { family, ifindex: server };

function exchange(name: string) {
  const found = LEGACY_CAPTURED.exchanges.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no captured exchange "${name}"`);
  return found;
}

function answersOf(name: string): NetlinkMessage[] {
  return exchange(name).answers.flatMap((answer) => parseDatagram(bytes(answer)));
}

/** The messages before the acknowledgement. */
function repliesOf(name: string): NetlinkMessage[] {
  return answersOf(name).filter((message) => !isAcknowledgement(message));
}

function built(build: (b: MessageBuilder) => void): string {
  const builder = new MessageBuilder();
  build(builder);
  return Buffer.from(builder.bytes()).toString("hex");
}

const local4 = Uint8Array.of(127, 0, 0, 1);
const local6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const vpnIpv6 = Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);

test("a request as the module's source has it", () => {
  const peer = {
    id: 1,
    socket: 21,
    remoteAddress: Uint8Array.of(192, 0, 2, 1),
    remotePort: 1194,
    vpnIpv4: Uint8Array.of(10, 8, 0, 2),
  };
  // Written by hand from linux/ovpn_dco.h; the order of the attributes in a nest carries no meaning.
  const attributes = [
    "0800010001000000",
    "14000200020004aac00002010000000000000000",
    "0800030015000000",
    "080004000a080002",
  ].join("");
  const head = "4c00000025000500020000000000000001010000080001000700000030000280";
  expect(built((b) => requests.newPeer(b, { family: 0x25, ifindex: 7 }, 2, peer))).toBe(head + attributes);
});

test("the kernel took every request of the codec but those that it was to refuse", () => {
  const refused = LEGACY_CAPTURED.exchanges.filter(
    ({ name, request }) => request !== "" && endOf(answersOf(name)).errno !== 0,
  );
  expect(refused.map(({ name }) => name).sort()).toEqual(REFUSED.map(([name]) => name).sort());
});

test("the requests that it was asked with are what the codec writes", () => {
  const peer4 = {
    id: 1,
    socket: socket4,
    remoteAddress: local4,
    remotePort: 40000,
    localAddress: local4,
    vpnIpv4: Uint8Array.of(10, 8, 0, 2),
    vpnIpv6,
  };
  const written: Record<string, (b: MessageBuilder) => void> = {
    "newPeer v4": (b) => requests.newPeer(b, target, 10, peer4),
    "newPeer v6": (b) =>
      requests.newPeer(b, target, 11, {
        id: 2,
        socket: socket6,
        remoteAddress: local6,
        remotePort: 40000,
        vpnIpv4: Uint8Array.of(10, 8, 0, 3),
      }),
    setPeer: (b) => requests.setPeer(b, target, 12, { id: 1, keepaliveInterval: 100, keepaliveTimeout: 600 }),
    "getPeer v4": (b) => requests.getPeer(b, target, 13, 1),
    "getPeer dump": (b) => requests.dumpPeers(b, target, 15),
    swapKeys: (b) => requests.swapKeys(b, target, 22, 1),
    delKey: (b) => requests.delKey(b, target, 23, 1, "secondary"),
    delPeer: (b) => requests.delPeer(b, target, 60, 1),
    "newPeer p2p": (b) =>
      requests.newPeer(b, { family, ifindex: client }, 61, {
        id: 5,
        socket: remote,
        remoteAddress: local4,
        remotePort: 1194,
      }),
  };
  for (const [name, build] of Object.entries(written))
    expect([name, built(build)]).toEqual([name, exchange(name).request]);
});

test("the family with its group, and links that do not tell their mode", () => {
  const [message] = repliesOf("getfamily");
  const { id, name, groups, operations } = decodeFamily(message as NetlinkMessage);
  expect([id, name, groups["peers"]]).toEqual([family, "ovpn-dco-v2", group]);
  expect(operations.map((each) => each.id)).toEqual([1, 2, 3, 7, 4, 6, 5]);
  for (const link of ["getlink dco0", "getlink dco1"]) {
    const { kind, ovpnMode } = decodeLink(repliesOf(link)[0] as NetlinkMessage);
    expect([kind, ovpnMode]).toEqual(["ovpn-dco", undefined]);
  }
});

describe("peers", () => {
  const first = {
    id: 1,
    remoteAddress: local4,
    remotePort: 40000,
    remoteScopeId: 0,
    localAddress: local4,
    localPort: 1194,
    vpnIpv4: Uint8Array.of(10, 8, 0, 2),
    vpnIpv6,
    keepaliveInterval: 100,
    keepaliveTimeout: 600,
    socketNetnsId: undefined,
    txId: undefined,
  };
  const second = {
    ...first,
    id: 2,
    remoteAddress: local6,
    localAddress: new Uint8Array(16),
    vpnIpv4: Uint8Array.of(10, 8, 0, 3),
    vpnIpv6: undefined,
    keepaliveInterval: 0,
    keepaliveTimeout: 0,
  };

  test("of both families, alone and in a dump", () => {
    expect(repliesOf("getPeer v4").map(decodeLegacyPeer)).toEqual([first]);
    expect(repliesOf("getPeer v6").map(decodeLegacyPeer)).toEqual([second]);
    expect(repliesOf("getPeer dump").map(decodeLegacyPeer)).toEqual([first, second]);
    expect(repliesOf("getPeer dump p2p")).toEqual([]);
  });

  test("a packet that is none moves a peer, and counts on the link", () => {
    const [message] = repliesOf("getPeer floated");
    expect(decodeLegacyPeer(message as NetlinkMessage)).toEqual({ ...first, remotePort: 40001 });
    const none = { rxBytes: 0n, txBytes: 0n, rxPackets: 0n, txPackets: 0n };
    expect(decodeLegacyCounters(message as NetlinkMessage)).toEqual({
      id: 1,
      vpn: none,
      link: { ...none, rxBytes: 44n, rxPackets: 1n },
    });
  });
});

test("a peer's end, with why", () => {
  const told = (name: string) => answersOf(name).map(decodeLegacyNotification);
  const end = { type: "peer-del-ntf" as const };
  expect(told("delPeer notification")).toEqual([{ ...end, ifindex: server, peer: 1, reason: "userspace" }]);
  expect(told("delPeer notification expired")).toEqual([
    { ...end, ifindex: client, peer: 5, reason: "expired" },
  ]);
  const torn = told("delPeer notification teardown");
  expect(torn.map((each) => "peer" in each && [each.peer, "reason" in each && each.reason]).sort()).toEqual([
    [2, "teardown"],
    [3, "teardown"],
  ]);
});

/** Name, errno, the code that it becomes, and what is said where the kernel says nothing. */
const REFUSED: [string, number, DcoError["code"], RegExp][] = [
  ["newPeer exists", 17, "exists", /a peer with this id/],
  ["newPeer without remote", 22, "invalid", /EINVAL/],
  ["newPeer bad fd", 88, "socket", /it is closed/],
  ["newPeer busy socket", 88, "socket", /another interface/],
  ["modeProbe multipeer", 22, "invalid", /EINVAL/],
  ["modeProbe p2p", 88, "socket", /closed/],
  ["getPeer unknown", 2, "not-found", /no such peer/],
  ["delPeer unknown", 2, "not-found", /no such peer/],
  ["newKey unknown peer", 2, "not-found", /no such peer/],
  ["newKey key size", 22, "invalid", /EINVAL/],
  ["newKey nonce size", 34, "invalid", /ERANGE/],
  ["newKey cipher none", 22, "invalid", /EINVAL/],
  ["no such interface", 19, "not-found", /interface dco0 is gone/],
  ["another kind of interface", 22, "invalid", /EINVAL/],
];

test.each(REFUSED)("refused: %s", (name, errno, code, sentence) => {
  const { errno: got, extack } = endOf(answersOf(name));
  const attribute = attributePath(bytes(exchange(name).request), extack, LEGACY_LAYOUT);
  const error = describeLegacyRefusal(errnoError(got, "ovpn-dco-v2", undefined), "dco0");
  expect(got).toBe(errno);
  expect(attribute).toBe(name === "newKey nonce size" ? "new-key.decrypt-key.nonce-tail" : undefined);
  expect(DcoError.is(error) && error.code).toBe(code);
  expect((error as DcoError).message).toMatch(sentence);
});

test("a trace has names, and no key", () => {
  const kinds = genlKinds(new Map([[family, LEGACY_KIND]]));
  const [key] = describeDatagram(bytes(exchange("newKey").request), kinds);
  expect(key?.message).toBe("ovpn-dco-v2 new-key");
  expect(JSON.stringify(key)).not.toMatch(/a0a1a2|c0c1c2/);
  expect(key?.hex).toContain("****");
  const [end] = describeDatagram(bytes(exchange("delPeer notification").answers[0] ?? ""), kinds);
  expect(end?.attributes).toMatchObject({ "del-peer": { "peer-id": 1, reason: 1 } });
});
