import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { IpEndpoint, IpPrefix } from "../../../src/core/backend.ts";
import { formatIp, unmapIpv4 } from "../../../src/core/ip.ts";
import { parseEndpoint, parsePrefix } from "../../../src/core/validate.ts";
import { STRUCTS } from "../../../src/windows/ioctl.ts";
import {
  type Command,
  decodePacket,
  decodeReply,
  encodePacket,
  encodeRequest,
  READ_BYTES,
  type Requests,
} from "../../../src/windows/messages.ts";

const endpoint = (text: string): IpEndpoint => parseEndpoint(text, "x", { port: "any" });
const prefix = (text: string): IpPrefix => parsePrefix(text, "x", { hostBits: "refuse" });
const fill = (length: number, byte: number) => new Uint8Array(length).fill(byte);

/** Computed from the layouts by hand, and part of the driver's sheet (there with an MSS of 1400): not made by this code. */
const VECTORS: readonly { [C in Command]: [C, Requests[C], string] }[Command][] = [
  [
    "NEW_PEER",
    { local: undefined, remote: endpoint("192.0.2.1:1194"), protocol: "udp" },
    `0200000000000000 0000000000000000 0000000000000000 00000000020004aa
     c000020100000000 0000000000000000 0000000000000000 00000000`,
  ],
  [
    "NEW_PEER",
    { local: endpoint("[::]:0"), remote: endpoint("[2001:db8::1]:443"), protocol: "tcp" },
    `1700000000000000 0000000000000000 0000000000000000 00000000170001bb
     0000000020010db8 0000000000000000 0000000100000000 01000000`,
  ],
  [
    "MP_START_VPN",
    { listen: endpoint("[::]:1194"), ipv6Only: false },
    "170004aa00000000 0000000000000000 0000000000000000 0000000000000000",
  ],
  [
    "MP_NEW_PEER",
    {
      peer: 5,
      family: 4,
      remote: endpoint("198.51.100.7:40000"),
      vpn4: Uint8Array.of(10, 8, 0, 2),
      vpn6: undefined,
    },
    `0200000000000000 0000000000000000 0000000000000000 0000000002009c40
     c633640700000000 0000000000000000 0000000000000000 0a08000200000000
     0000000000000000 0000000005000000`,
  ],
  ["MP_SET_PEER", { peer: 5, interval: 10, timeout: 60 }, "050000000a000000 3c00000000000000"],
  [
    "MP_ADD_IROUTE",
    { peer: 5, prefix: prefix("192.168.5.0/24") },
    "c0a8050000000000 0000000000000000 1800000005000000 00000000",
  ],
  [
    "NEW_KEY",
    {
      peer: 5,
      key: {
        slot: "secondary",
        id: 3,
        cipher: "aes-128-gcm",
        encryptKey: fill(16, 0xaa),
        encryptNonceTail: fill(8, 0xb0),
        decryptKey: fill(16, 0xcc),
        decryptNonceTail: fill(8, 0xd0),
      },
    },
    `aaaaaaaaaaaaaaaa aaaaaaaaaaaaaaaa 0000000000000000 0000000000000000
     10b0b0b0b0b0b0b0 b0cccccccccccccc cccccccccccccccc cc00000000000000
     0000000000000000 0010d0d0d0d0d0d0 d0d0000001000000 0100000003000000 05000000`,
  ],
];

test.each(VECTORS)("%s is packed as the sheet computes it", (command, input, hex) => {
  expect(encodeRequest(command, input as never).toString("hex")).toBe(hex.replace(/\s+/g, ""));
});

test.each([
  ["SET_MODE", { mode: "multipeer" }, "01000000"],
  ["SET_PEER", { interval: 10, timeout: 60 }, "0a0000003c00000000000000"],
  ["MP_DEL_PEER", { peer: 0xfffffe }, "feffff00"],
  ["MP_SWAP_KEYS", { peer: 1 }, "01000000"],
  ["GET_PEER_STATS", { peer: -1 }, "ffffffff"],
  ["START_VPN", undefined, ""],
  ["DEL_PEER", undefined, ""],
  ["SWAP_KEYS", undefined, ""],
  ["GET_STATS", undefined, ""],
  ["GET_VERSION", undefined, ""],
  ["NOTIFY_EVENT", undefined, ""],
] as const)("%s", (command, input, hex) => {
  expect(encodeRequest(command, input as never).toString("hex")).toBe(hex);
});

test("a route of IPv6, and one that goes", () => {
  expect(encodeRequest("MP_DEL_IROUTE", { prefix: prefix("2001:db8::/32") }).toString("hex")).toBe(
    "20010db8000000000000000000000000" + "20000000" + "ffffffff" + "01000000",
  );
});

test("a listener of IPv6 gets IPv4 peers mapped, with its own family as the local one", () => {
  const remote = endpoint("198.51.100.7:40000");
  const bytes = encodeRequest("MP_NEW_PEER", {
    peer: 1,
    family: 6,
    remote,
    vpn4: undefined,
    vpn6: fill(16, 7),
  });
  expect(bytes.readUInt16LE(0)).toBe(23);
  expect(bytes.subarray(28, 56).toString("hex")).toBe(
    "17009c40" + "00000000" + "00000000000000000000ffffc6336407" + "00000000",
  );
});

test("no request can say -1 for a time", () => {
  for (const [interval, timeout] of [
    [-1, 60],
    [10, -1],
    [1.5, 60],
  ] as const) {
    expect(() => encodeRequest("SET_PEER", { interval, timeout })).toThrow(/keepalive/);
    expect(() => encodeRequest("MP_SET_PEER", { peer: 1, interval, timeout })).toThrow(/keepalive/);
  }
});

const byte = fc.integer({ min: 0, max: 255 });
const port = fc.integer({ min: 0, max: 65535 });
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyEndpoint: fc.Arbitrary<IpEndpoint> = fc
  .tuple(fc.oneof(bytesOf(4), bytesOf(16)), port)
  .map(([bytes, port]) => ({
    family: bytes.length === 4 ? (4 as const) : (6 as const),
    bytes,
    text: formatIp(bytes),
    port,
    scopeId: 0,
  }));

describe("properties", () => {
  test("a packet with its address comes back as it was, IPv4 over an IPv6 socket too", () => {
    fc.assert(
      fc.property(anyEndpoint, fc.uint8Array({ maxLength: 1500 }), fc.boolean(), (to, data, six) => {
        const bytes = encodePacket(data, to, to.family === 6 || six ? 6 : 4);
        const { address, data: same } = decodePacket(bytes, "multipeer");
        expect(address).toEqual({ address: formatIp(unmapIpv4(to.bytes)), port: to.port });
        expect(same).toEqual(data);
      }),
    );
  });

  test("whatever a read gives is a packet or a protocol error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: READ_BYTES }), (bytes) => {
        try {
          decodePacket(Buffer.from(bytes), "multipeer");
        } catch (error) {
          expect(error).toMatchObject({ code: "protocol" });
        }
        expect(decodePacket(Buffer.from(bytes), "p2p").data).toEqual(bytes);
      }),
    );
  });

  test("whatever an answer holds is decoded or a protocol error", () => {
    const commands = fc.constantFrom<Command>(
      "MP_START_VPN",
      "GET_VERSION",
      "GET_STATS",
      "GET_PEER_STATS",
      "NOTIFY_EVENT",
    );
    fc.assert(
      fc.property(commands, fc.uint8Array({ maxLength: 200 }), (command, bytes) => {
        try {
          decodeReply(command, Buffer.from(bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: "protocol" });
        }
      }),
    );
  });

  test("a key's bytes stand where the header has them, and nothing else does", () => {
    const direction = fc.constantFrom(16, 24, 32).chain((length) => fc.tuple(bytesOf(length), bytesOf(8)));
    const key = fc.tuple(direction, direction, fc.integer({ min: 0, max: 7 }), byte);
    fc.assert(
      fc.property(key, ([encrypt, decrypt, id, peer]) => {
        const bytes = encodeRequest("NEW_KEY", {
          peer,
          key: {
            slot: "primary",
            id,
            cipher: "aes-256-gcm",
            encryptKey: encrypt[0],
            encryptNonceTail: encrypt[1],
            decryptKey: decrypt[0],
            decryptNonceTail: decrypt[1],
          },
        });
        expect(bytes.length).toBe(STRUCTS.OVPN_CRYPTO_DATA.size);
        for (const [at, [secret, tail]] of [
          [0, encrypt],
          [41, decrypt],
        ] as const) {
          expect(Uint8Array.from(bytes.subarray(at, at + secret.length))).toEqual(secret);
          expect(bytes.subarray(at + secret.length, at + 32).every((each) => each === 0)).toBe(true);
          expect(bytes[at + 32]).toBe(secret.length);
          expect(Uint8Array.from(bytes.subarray(at + 33, at + 41))).toEqual(tail);
        }
        expect([bytes[82], bytes[83]]).toEqual([0, 0]);
      }),
    );
  });
});

describe("answers", () => {
  const hex = (text: string) => Buffer.from(text.replace(/\s+/g, ""), "hex");

  test("MP_START_VPN tells the address, also of a driver without IPv6Only", () => {
    const v4 = `0200 c350 7f000001 ${"00".repeat(20)}`;
    expect(decodeReply("MP_START_VPN", hex(v4))).toEqual({ local: { address: "127.0.0.1", port: 50000 } });
    expect(decodeReply("MP_START_VPN", hex(`${v4} 00000000`)).local.port).toBe(50000);
  });

  test("an event of a driver before 2.6 ends before the address", () => {
    expect(decodeReply("NOTIFY_EVENT", hex("00000000 05000000 02000000"))).toEqual({
      command: 0,
      peer: 5,
      reason: 2,
      address: undefined,
    });
  });

  test("a float tells the address, unmapped; the padding means nothing", () => {
    const mapped = `1700 9c40 00000000 00000000000000000000ffffc6336407 00000000 ${"00".repeat(100)}`;
    expect(decodeReply("NOTIFY_EVENT", hex(`02000000 05000000 00000000 deadbeef ${mapped}`))).toEqual({
      command: 2,
      peer: 5,
      reason: 0,
      address: { address: "198.51.100.7", port: 40000 },
    });
  });

  test("the statistics of two peers", () => {
    const one = (id: string) =>
      `${id} cccccccc 0100000000000000 0200000000000000 0300000000000000 ffffffff01000000`;
    const rest = { linkRxBytes: 1n, linkTxBytes: 2n, vpnRxBytes: 3n, vpnTxBytes: 0x1ffffffffn };
    expect(decodeReply("GET_PEER_STATS", hex(`${one("01000000")} ${one("feffff00")}`))).toEqual([
      { peer: 1, ...rest },
      { peer: 0xfffffe, ...rest },
    ]);
    expect(decodeReply("GET_PEER_STATS", Buffer.alloc(0))).toEqual([]);
  });

  test("the statistics of the device", () => {
    const counters = "0100000000000000 0200000000000000 0300000000000000 0400000000000000";
    expect(decodeReply("GET_STATS", hex(`${"00".repeat(32)} ${counters}`))).toEqual({
      linkTxBytes: 1n,
      linkRxBytes: 2n,
      vpnTxBytes: 3n,
      vpnRxBytes: 4n,
    });
  });

  test("a version", () => {
    expect(decodeReply("GET_VERSION", hex("02000000 08000000 06000000"))).toEqual({
      major: 2,
      minor: 8,
      patch: 6,
    });
  });
});
