import { describe, expect, test } from "vitest";
import { OVPN, OVPN_COMMANDS } from "../../../src/linux/ovpn/messages.ts";
import { decodeNotification } from "../../../src/linux/ovpn/replies.ts";
import * as requests from "../../../src/linux/ovpn/requests.ts";
import { decodeAttributes, encodeAttributes } from "../../../src/netlink/codec/attributes.ts";
import type { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import { genlAttributes } from "../../../src/netlink/codec/genl.ts";
import { decodeLink, newLink } from "../../../src/netlink/codec/link.ts";
import { built, bytes, GOLDEN, message } from "./support.ts";

const target = { family: GOLDEN.family, ifindex: GOLDEN.ifindex };

function range(from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => from + index);
}

function hexOf(build: (builder: MessageBuilder) => void): string {
  return built(build).toString("hex");
}

describe("requests of the ovpn family are the worked examples byte for byte", () => {
  test("peer-new over UDP", () => {
    const request = hexOf((builder) =>
      requests.peerNew(builder, target, 2, {
        id: 1,
        socket: 21,
        remoteAddress: Uint8Array.of(192, 0, 2, 1),
        remotePort: 1194,
        vpnIpv4: Uint8Array.of(10, 8, 0, 2),
        keepaliveInterval: 10,
        keepaliveTimeout: 60,
      }),
    );
    expect(request).toBe(GOLDEN.peerNew);
  });

  test("key-new with AES-128-GCM", () => {
    const request = hexOf((builder) =>
      requests.keyNew(builder, target, 3, {
        peer: 1,
        slot: "primary",
        keyId: 0,
        cipher: "aes-gcm",
        encrypt: { key: range(0x00, 16), nonceTail: range(0x80, 8) },
        decrypt: { key: range(0x10, 16), nonceTail: range(0x90, 8) },
      }),
    );
    expect(request).toBe(GOLDEN.keyNew);
  });

  test("a dump of the peers", () => {
    expect(hexOf((builder) => requests.peerDump(builder, target, 4))).toBe(GOLDEN.peerDump);
  });

  test("creating a multi-peer interface", () => {
    const request = hexOf((builder) => newLink(builder, 1, { name: "ovpn0", kind: "ovpn", ovpnMode: 1 }));
    expect(request).toBe(GOLDEN.newLink);
    expect(decodeLink(message(request))).toMatchObject({ name: "ovpn0", kind: "ovpn", ovpnMode: 1 });
  });

  test.each(["peerNew", "keyNew", "peerDump"] as const)("%s is also what the tables encode", (name) => {
    const golden = message(GOLDEN[name]);
    const command = OVPN_COMMANDS[name === "peerDump" ? "peerGet" : name];
    const attributes = decodeAttributes(OVPN, golden, genlAttributes(golden, command));
    const again = hexOf((builder) => {
      builder.beginMessage(golden.type, golden.flags, golden.sequence);
      builder.genlHeader(command);
      encodeAttributes(OVPN, attributes, builder);
      builder.endMessage();
    });
    expect(again).toBe(GOLDEN[name]);
  });
});

describe("the other requests", () => {
  /** The request's command and attributes, read by the tables. */
  function read(build: (builder: MessageBuilder) => void) {
    const sent = message(hexOf(build));
    expect([sent.type, sent.sequence, sent.flags]).toEqual([GOLDEN.family, 9, 0x5]);
    const command = sent.view.getUint8(sent.start);
    return { command, attributes: decodeAttributes(OVPN, sent, genlAttributes(sent, command)) };
  }

  test("peer-set carries only what changes", () => {
    const keepalive = { keepaliveInterval: 0, keepaliveTimeout: 0 };
    expect(read((b) => requests.peerSet(b, target, 9, { id: 3, ...keepalive }))).toEqual({
      command: 2,
      attributes: { ifindex: 7, peer: { id: 3, ...keepalive } },
    });
  });

  test("peer-new with everything over IPv6", () => {
    const remote = range(0x20, 16);
    const local = range(0x40, 16);
    const vpnIpv6 = range(0x60, 16);
    const peer = {
      id: 0xfffffe,
      socket: 5,
      remoteAddress: remote,
      remotePort: 65535,
      remoteScopeId: 4,
      localAddress: local,
      vpnIpv6,
      txId: 77,
    };
    expect(read((b) => requests.peerNew(b, target, 9, peer)).attributes.peer).toEqual({
      id: 0xfffffe,
      socket: 5,
      remoteIpv6: remote,
      remoteIpv6ScopeId: 4,
      remotePort: 65535,
      localIpv6: local,
      vpnIpv6,
      txId: 77,
    });
  });

  test("peer-get, peer-del, key-get, key-swap and key-del", () => {
    const secondary = { keyconf: { peerId: 3, slot: 1 } };
    expect(read((b) => requests.peerGet(b, target, 9, 3))).toEqual({
      command: 3,
      attributes: { ifindex: 7, peer: { id: 3 } },
    });
    expect(read((b) => requests.peerDel(b, target, 9, 3))).toEqual({
      command: 4,
      attributes: { ifindex: 7, peer: { id: 3 } },
    });
    expect(read((b) => requests.keyGet(b, target, 9, 3, "secondary"))).toEqual({
      command: 7,
      attributes: { ifindex: 7, ...secondary },
    });
    expect(read((b) => requests.keySwap(b, target, 9, 3))).toEqual({
      command: 8,
      attributes: { ifindex: 7, keyconf: { peerId: 3 } },
    });
    expect(read((b) => requests.keyDel(b, target, 9, 3, "secondary"))).toEqual({
      command: 10,
      attributes: { ifindex: 7, ...secondary },
    });
  });
});

describe("notifications of the ovpn family are read from the worked examples", () => {
  test("a deleted peer with its reason", () => {
    expect(decodeNotification(message(GOLDEN.peerDelNtf))).toEqual({
      type: "peer-del-ntf",
      ifindex: 7,
      peer: 1,
      reason: "expired",
    });
  });

  test("an exhausted key, whose id the kernel sends in two bytes", () => {
    const expected = { type: "key-swap-ntf", ifindex: 7, peer: 1, keyId: 0 };
    expect(decodeNotification(message(GOLDEN.keySwapNtf))).toEqual(expected);
    const fourBytes = GOLDEN.keySwapNtf.replace(/0600030000000000$/, "0800030005000000");
    expect(decodeNotification(message(fourBytes))).toEqual({ ...expected, keyId: 5 });
  });

  test("a floated peer over IPv4", () => {
    expect(decodeNotification(message(GOLDEN.peerFloatNtf))).toEqual({
      type: "peer-float-ntf",
      ifindex: 7,
      peer: 1,
      remoteAddress: Uint8Array.of(198, 51, 100, 7),
      remotePort: 40000,
      remoteScopeId: 0,
    });
  });

  test("a floated peer over IPv6 with its scope", () => {
    const remote = range(0xa0, 16);
    const notification = hexOf((builder) => {
      builder.beginMessage(GOLDEN.family, 0, 0);
      builder.genlHeader(OVPN_COMMANDS.peerFloatNtf);
      const peer = { id: 2, remoteIpv6: remote, remoteIpv6ScopeId: 3, remotePort: 1194 };
      encodeAttributes(OVPN, { ifindex: 7, peer }, builder);
      builder.endMessage();
    });
    expect(decodeNotification(message(notification))).toEqual({
      type: "peer-float-ntf",
      ifindex: 7,
      peer: 2,
      remoteAddress: remote,
      remotePort: 1194,
      remoteScopeId: 3,
    });
  });

  test("a reason and a command of a later kernel", () => {
    const reason = bytes(GOLDEN.peerDelNtf);
    reason[reason.length - 12] = 9;
    expect(decodeNotification(message(reason.toString("hex")))).toMatchObject({ reason: 9 });
    const command = bytes(GOLDEN.peerDelNtf);
    command[16] = 200;
    expect(decodeNotification(message(command.toString("hex")))).toEqual({ type: "unknown", command: 200 });
  });
});
