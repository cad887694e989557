import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CountersReply, decodeCounters } from "../../../src/linux/ovpn/counters-reply.ts";
import { OVPN, OVPN_COMMANDS, PEER } from "../../../src/linux/ovpn/messages.ts";
import type { PeerReply } from "../../../src/linux/ovpn/peer-reply.ts";
import { decodePeer } from "../../../src/linux/ovpn/peer-reply.ts";
import { decodeKey } from "../../../src/linux/ovpn/replies.ts";
import { decodeAttributes, encodeAttributes } from "../../../src/netlink/codec/attributes.ts";
import type { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import { genlAttributes } from "../../../src/netlink/codec/genl.ts";
import type { NetlinkMessage } from "../../../src/netlink/codec/message.ts";
import type { Attributes } from "../../../src/netlink/codec/table.ts";
import { builtMessage, GOLDEN, message, outcome, TIMEOUT } from "./support.ts";

/** A generic netlink message with the attributes that `write` adds. */
function reply(command: number, write: (builder: MessageBuilder) => void): NetlinkMessage {
  return builtMessage((builder) => {
    builder.beginMessage(GOLDEN.family, 2, 4);
    builder.genlHeader(command);
    write(builder);
    builder.endMessage();
  });
}

function peerReply(peer: Attributes<typeof PEER>): NetlinkMessage {
  return reply(OVPN_COMMANDS.peerGet, (builder) => encodeAttributes(OVPN, { peer } as never, builder));
}

/** The same answer by the generic decoder: what the hand-written one has to agree with. */
function byTable(answer: NetlinkMessage): PeerReply {
  const attributes = decodeAttributes(OVPN, answer, genlAttributes(answer, OVPN_COMMANDS.peerGet));
  const peer = attributes.peer;
  if (peer?.id === undefined) throw new Error("the tests give every peer an id");
  return {
    id: peer.id,
    remoteAddress: peer.remoteIpv6 ?? peer.remoteIpv4,
    remotePort: peer.remotePort,
    remoteScopeId: peer.remoteIpv6ScopeId ?? 0,
    localAddress: peer.localIpv6 ?? peer.localIpv4,
    localPort: peer.localPort,
    vpnIpv4: peer.vpnIpv4,
    vpnIpv6: peer.vpnIpv6,
    keepaliveInterval: peer.keepaliveInterval ?? 0,
    keepaliveTimeout: peer.keepaliveTimeout ?? 0,
    socketNetnsId: peer.socketNetnsid,
    txId: peer.txId,
  };
}

/** The same for the counters. */
function countersByTable(answer: NetlinkMessage): CountersReply {
  const { peer } = decodeAttributes(OVPN, answer, genlAttributes(answer, OVPN_COMMANDS.peerGet));
  if (peer?.id === undefined) throw new Error("the tests give every peer an id");
  return {
    id: peer.id,
    vpn: {
      rxBytes: peer.vpnRxBytes ?? 0n,
      txBytes: peer.vpnTxBytes ?? 0n,
      rxPackets: peer.vpnRxPackets ?? 0n,
      txPackets: peer.vpnTxPackets ?? 0n,
    },
    link: {
      rxBytes: peer.linkRxBytes ?? 0n,
      txBytes: peer.linkTxBytes ?? 0n,
      rxPackets: peer.linkRxPackets ?? 0n,
      txPackets: peer.linkTxPackets ?? 0n,
    },
  };
}

describe("decodePeer", () => {
  const u32 = fc.integer({ min: 0, max: 0xffffffff });
  const counter = fc.oneof(fc.constant(0n), fc.bigInt(0n, 0xffffffffn), fc.bigInt(0n, 2n ** 64n - 1n));
  const port = fc.integer({ min: 0, max: 0xffff });
  const ip4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
  const ip6 = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const v4 = fc.record({ remoteIpv4: ip4, remotePort: port, localIpv4: ip4 });
  const v6 = fc.record({ remoteIpv6: ip6, remoteIpv6ScopeId: u32, remotePort: port, localIpv6: ip6 });
  const others = fc.record(
    {
      socketNetnsid: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
      vpnIpv4: ip4,
      vpnIpv6: ip6,
      localPort: port,
      keepaliveInterval: u32,
      keepaliveTimeout: u32,
      vpnRxBytes: counter,
      vpnTxBytes: counter,
      vpnRxPackets: counter,
      vpnTxPackets: counter,
      linkRxBytes: counter,
      linkTxBytes: counter,
      linkRxPackets: counter,
      linkTxPackets: counter,
      txId: u32,
    },
    { requiredKeys: [] },
  );

  test("agrees with the table's decoder on every answer", { timeout: TIMEOUT }, () => {
    const endpoint = fc.oneof(v4, v6, fc.constant({}));
    fc.assert(
      fc.property(u32, endpoint, others, (id, remote, rest) => {
        const answer = peerReply({ id, ...remote, ...rest });
        expect(decodePeer(answer)).toEqual(byTable(answer));
        expect(decodeCounters(answer)).toEqual(countersByTable(answer));
      }),
      { numRuns: 500 },
    );
  });

  test("agrees with the table's decoder on what is wrong", { timeout: TIMEOUT }, () => {
    // Any attributes of any size: the table's accepts them, or one of the hand-written ones refuses them, each of which
    // looks at what it reads. The two that no answer holds are passed over by these.
    const requestOnly: number[] = [PEER.socket.number, PEER.delReason.number];
    const number = fc.integer({ min: 0, max: 30 }).filter((type) => !requestOnly.includes(type));
    const attribute = fc.tuple(number, fc.uint8Array({ maxLength: 17 }));
    fc.assert(
      fc.property(fc.array(attribute, { maxLength: 6 }), (attributes) => {
        const answer = reply(OVPN_COMMANDS.peerGet, (builder) => {
          const nest = builder.beginNest(OVPN.peer.number);
          builder.u32(PEER.id.number, 1);
          for (const [type, payload] of attributes) builder.data(type, payload);
          builder.endNest(nest);
        });
        const fast = outcome(() => {
          decodePeer(answer);
          return decodeCounters(answer);
        });
        const slow = outcome(() => byTable(answer));
        expect("code" in fast ? fast.code : "value").toBe("code" in slow ? slow.code : "value");
      }),
      { numRuns: 1000 },
    );
  });

  test("reads counters of four and of eight bytes", () => {
    const { vpn, link } = decodeCounters(
      peerReply({ id: 1, vpnRxBytes: 0xffffffffn, vpnTxBytes: 2n ** 40n }),
    );
    expect([vpn.rxBytes, vpn.txBytes, link.rxBytes]).toEqual([0xffffffffn, 2n ** 40n, 0n]);
  });

  test("names the attribute whose size is wrong", () => {
    const answer = reply(OVPN_COMMANDS.peerGet, (builder) => {
      const nest = builder.beginNest(OVPN.peer.number);
      builder.u8(PEER.vpnRxBytes.number, 1);
      builder.endNest(nest);
    });
    expect(() => decodeCounters(answer)).toThrow(
      expect.objectContaining({ code: "protocol", target: "peer.vpn-rx-bytes" }),
    );
  });

  test("refuses an answer without a peer, without its id, or to something else", () => {
    const refused = [
      reply(OVPN_COMMANDS.peerGet, (builder) => builder.u32(OVPN.ifindex.number, 1)),
      peerReply({ vpnRxBytes: 1n }),
      message(GOLDEN.peerDelNtf),
      message("10000000250000000000000000000000"),
    ];
    for (const answer of refused) expect(outcome(() => decodePeer(answer))).toEqual({ code: "protocol" });
  });

  test("returns copies: receiving into the buffer again does not change them", () => {
    const answer = peerReply({ id: 1, remoteIpv4: Uint8Array.of(192, 0, 2, 1) });
    const peer = decodePeer(answer);
    answer.bytes.fill(0xff);
    expect(peer.remoteAddress).toEqual(Uint8Array.of(192, 0, 2, 1));
  });
});

describe("decodeKey", () => {
  const keyReply = (keyconf: Record<string, number>) =>
    reply(OVPN_COMMANDS.keyGet, (builder) => encodeAttributes(OVPN, { keyconf } as never, builder));

  test("tells the slot, the key id and the cipher", () => {
    expect(decodeKey(keyReply({ peerId: 4, slot: 1, keyId: 7, cipherAlg: 2 }))).toEqual({
      peer: 4,
      slot: "secondary",
      keyId: 7,
      cipher: "chacha20-poly1305",
    });
    expect(decodeKey(keyReply({ peerId: 4, slot: 0, keyId: 0, cipherAlg: 1 }))).toMatchObject({
      slot: "primary",
      cipher: "aes-gcm",
    });
  });

  test.each([
    ["peer-id", { slot: 1, keyId: 7, cipherAlg: 2 }],
    ["slot", { peerId: 4, keyId: 7, cipherAlg: 2 }],
    ["key-id", { peerId: 4, slot: 1, cipherAlg: 2 }],
    ["cipher-alg", { peerId: 4, slot: 1, keyId: 7 }],
    ["cipher-alg", { peerId: 4, slot: 1, keyId: 7, cipherAlg: 99 }],
    ["slot", { peerId: 4, slot: 2, keyId: 7, cipherAlg: 1 }],
  ])("refuses an answer with a missing or unknown %s", (name, keyconf) => {
    expect(() => decodeKey(keyReply(keyconf))).toThrow(
      expect.objectContaining({ code: "protocol", target: `keyconf.${name}` }),
    );
  });
});
