import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeOvpn } from "../../../src/linux/ovpn/describe.ts";
import { keyNew } from "../../../src/linux/ovpn/requests.ts";
import { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import { describeDatagram } from "../../../src/netlink/codec/describe.ts";
import { genlKinds, rtnlKinds } from "../../../src/netlink/codec/kinds.ts";
import { bytes, captured, GOLDEN, TIMEOUT } from "./support.ts";

const FAMILY = GOLDEN.family;

/** The key bytes of the worked example. */
const SECRETS = [
  "000102030405060708090a0b0c0d0e0f",
  "8081828384858687",
  "101112131415161718191a1b1c1d1e1f",
  "9091929394959697",
];

/** The worked example with key bytes that stand nowhere else in the message, not even two of them in a row. */
const PLAIN_SECRETS = SECRETS.map((secret, index) =>
  secret.replace(/../g, (octet) => ((Number.parseInt(octet, 16) & 0x0f) + 0xb0 + 0x10 * index).toString(16)),
);
const KEY_NEW = SECRETS.reduce(
  (hex, secret, index) => hex.replace(secret, PLAIN_SECRETS[index] as string),
  GOLDEN.keyNew,
);

/** Fails when any two bytes of a secret stand next to each other in a text, in hexadecimal. */
function expectNoSecret(text: string, secrets: readonly string[] = PLAIN_SECRETS): void {
  for (const secret of secrets) {
    for (let at = 0; at + 4 <= secret.length; at += 2) expect(text).not.toContain(secret.slice(at, at + 4));
  }
}

describe("a traced message", () => {
  test("peer-new is shown by names", () => {
    expect(describeOvpn(bytes(GOLDEN.peerNew), FAMILY)).toEqual([
      {
        message: "ovpn peer-new",
        flags: ["request", "ack"],
        sequence: 2,
        portId: 0,
        attributes: {
          ifindex: 7,
          peer: {
            id: 1,
            socket: 21,
            "remote-ipv4": "192.0.2.1",
            "remote-port": 1194,
            "vpn-ipv4": "10.8.0.2",
            "keepalive-interval": 10,
            "keepalive-timeout": 60,
          },
        },
        hex: GOLDEN.peerNew,
      },
    ]);
  });

  test("key-new hides keys and nonce tails, in the object and in the bytes", () => {
    const [traced] = describeOvpn(bytes(GOLDEN.keyNew), FAMILY);
    const direction = { "cipher-key": "<16 bytes redacted>", "nonce-tail": "<8 bytes redacted>" };
    expect(traced?.attributes).toEqual({
      ifindex: 7,
      keyconf: {
        "peer-id": 1,
        slot: 0,
        "key-id": 0,
        "cipher-alg": 1,
        "encrypt-dir": direction,
        "decrypt-dir": direction,
      },
    });
    let hidden = GOLDEN.keyNew;
    for (const secret of SECRETS) hidden = hidden.replace(secret, "*".repeat(secret.length));
    expect(traced?.hex).toBe(hidden);
    expect(traced?.hex.match(/\*\*/g)?.length).toBe(48);
  });

  test("a refused key-new that the kernel returns with its error hides them too", () => {
    const text = "0b000100626164206b657900"; // MSG "bad key" with its NUL
    const error = Buffer.concat([Buffer.alloc(16), bytes(`eaffffff${KEY_NEW}${text}`)]);
    error.writeUInt32LE(error.length, 0);
    error.writeUInt16LE(2, 4);
    error.writeUInt16LE(0x200, 6);
    const [traced] = describeOvpn(error, FAMILY);
    expect(traced).toMatchObject({
      message: "error",
      flags: ["extack"],
      code: -22,
      request: "ovpn key-new",
      attributes: { text: "bad key" },
    });
    expectNoSecret(traced?.hex ?? "");
    expect(traced?.hex.endsWith(text)).toBe(true);
    // The echo's own length lies: everything behind its header is hidden.
    error.writeUInt32LE(0, 20);
    expectNoSecret(describeOvpn(error, FAMILY)[0]?.hex ?? "");
  });

  test("notifications", () => {
    const all = [GOLDEN.peerDelNtf, GOLDEN.keySwapNtf, GOLDEN.peerFloatNtf].map((hex) => {
      const [traced] = describeOvpn(bytes(hex), FAMILY);
      return [traced?.message, traced?.attributes];
    });
    expect(all).toEqual([
      ["ovpn peer-del-ntf", { ifindex: 7, peer: { "del-reason": 2, id: 1 } }],
      ["ovpn key-swap-ntf", { ifindex: 7, keyconf: { "peer-id": 1, "key-id": 0 } }],
      [
        "ovpn peer-float-ntf",
        { ifindex: 7, peer: { id: 1, "remote-ipv4": "198.51.100.7", "remote-port": 40000 } },
      ],
    ]);
  });

  test("an error and the end of a dump of a real kernel", () => {
    const kinds = genlKinds(new Map());
    const [error] = describeDatagram(bytes(captured("netdev out of range").answers[0] ?? ""), kinds);
    expect(error).toMatchObject({
      message: "error",
      flags: ["capped", "extack"],
      code: -34,
      attributes: { text: "integer out of range", offset: 20, policy: { type: 4, "max-value": 0xffffffff } },
    });
    const dump = captured("getpolicy nlctrl").answers.flatMap((hex) => describeDatagram(bytes(hex), kinds));
    expect(dump.map(({ message, flags }) => [message, flags])).toEqual([
      ...Array(7).fill(["nlctrl get-policy", ["multi"]]),
      ["done", ["multi"]],
    ]);
    expect(dump[0]?.attributes).toEqual({ "family-id": 16, "operation-policy": { 3: { do: 0, dump: 0 } } });
  });

  test("links, addresses and routes", () => {
    const [link] = describeDatagram(bytes(GOLDEN.newLink), rtnlKinds);
    expect(link).toMatchObject({
      message: "new-link",
      flags: ["request", "ack", "0x600"],
      attributes: { name: "ovpn0", info: { kind: "ovpn", data: { mode: 1 } } },
    });
    const [address] = describeDatagram(bytes(captured("newaddr v6").request), rtnlKinds);
    expect(address).toMatchObject({
      message: "new-addr",
      attributes: { local: "fd00:0:0:0:0:0:0:1", address: "fd00:0:0:0:0:0:0:1" },
    });
    const [route] = describeDatagram(bytes(captured("newroute v4").request), rtnlKinds);
    expect(route).toMatchObject({
      message: "new-route",
      attributes: { metric: 50, metrics: { mtu: 1300 }, table: 1000 },
    });
  });

  test("attributes and commands that it does not know are counted, not shown", () => {
    const datagram = bytes(GOLDEN.peerDelNtf);
    datagram[16] = 99;
    datagram.writeUInt16LE(77, 34);
    const [traced] = describeOvpn(datagram, FAMILY);
    expect([traced?.message, traced?.attributes]).toEqual([
      "ovpn command 99",
      { ifindex: 7, peer: { "#77": "<4 bytes>", id: 1 } },
    ]);
  });

  test("what cannot be read is marked, and what can be is shown", () => {
    const datagram = bytes(GOLDEN.peerDelNtf);
    datagram.writeUInt16LE(99, 40);
    const [traced] = describeOvpn(datagram, FAMILY);
    expect(traced?.attributes).toEqual({ ifindex: 7, peer: { "del-reason": 2, malformed: "<8 bytes>" } });
    const size = bytes(GOLDEN.keySwapNtf);
    size.writeUInt16LE(5, 40);
    expect(describeOvpn(size, FAMILY)[0]?.attributes).toEqual({
      ifindex: 7,
      keyconf: { "peer-id": 1, "key-id": "<1 bytes, not a u16or32>" },
    });
  });

  test("can be written as JSON, counters included", () => {
    for (const { request, answers } of [captured("getpolicy netdev"), captured("getlink by name")]) {
      for (const hex of [request, ...answers]) {
        const traced = describeDatagram(bytes(hex), genlKinds(new Map()));
        expect(JSON.parse(JSON.stringify(traced))).toEqual(traced);
      }
    }
  });
});

describe("secrets stay hidden", () => {
  test("in every message that is not understood", () => {
    expect(describeOvpn(bytes(GOLDEN.keyNew), FAMILY + 1)[0]).toEqual({
      message: `type ${FAMILY}`,
      flags: ["request", "ack"],
      sequence: 3,
      portId: 0,
      hex: GOLDEN.keyNew.slice(0, 32) + "**".repeat(GOLDEN.keyNew.length / 2 - 16),
    });
    expect(describeOvpn(bytes(GOLDEN.keyNew).subarray(1), FAMILY)).toEqual([
      { message: "malformed", hex: "**".repeat(GOLDEN.keyNew.length / 2 - 1) },
    ]);
  });

  test("in a batch, for any key", { timeout: TIMEOUT }, () => {
    // Two of these in a row stand nowhere else, neither in the rest of the bytes nor in a word.
    const secret = (size: number) =>
      fc.uint8Array({ minLength: size, maxLength: size, min: 0x9a, max: 0x9f });
    const direction = fc.record({ key: fc.constantFrom(16, 24, 32).chain(secret), nonceTail: secret(8) });
    fc.assert(
      fc.property(direction, direction, (encrypt, decrypt) => {
        const builder = new MessageBuilder();
        for (const sequence of [1, 2]) {
          keyNew(builder, { family: FAMILY, ifindex: 7 }, sequence, {
            peer: 5,
            slot: "secondary",
            keyId: 3,
            cipher: "aes-gcm",
            encrypt,
            decrypt,
          });
        }
        const traced = JSON.stringify(describeOvpn(builder.bytes(), FAMILY));
        const secrets = [encrypt.key, encrypt.nonceTail, decrypt.key, decrypt.nonceTail];
        expectNoSecret(
          traced,
          secrets.map((each) => Buffer.from(each).toString("hex")),
        );
      }),
    );
  });

  test("when any octet around them is spoilt", { timeout: TIMEOUT }, () => {
    const spoilt = bytes(KEY_NEW);
    expect(SECRETS.some((secret) => spoilt.toString("hex").includes(secret))).toBe(false);
    for (let at = 0; at < spoilt.length; at++) {
      // The type: another one is a message of a family without secrets, and then this is no key.
      if (at === 4 || at === 5) continue;
      const original = spoilt[at] as number;
      for (const octet of [0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 20, 36, 0x7f, 0x80, 0xff]) {
        spoilt[at] = octet;
        expectNoSecret(JSON.stringify(describeOvpn(spoilt, FAMILY)));
      }
      spoilt[at] = original;
    }
  });
});
