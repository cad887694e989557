/**
 * Whatever bytes arrive: a decoder returns a value or throws a DcoError with code `protocol`, and never looks
 * at a byte outside of its message.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeOvpn } from "../../../src/linux/ovpn/describe.ts";
import { decodePeer } from "../../../src/linux/ovpn/peer-reply.ts";
import { decodeKey, decodeNotification } from "../../../src/linux/ovpn/replies.ts";
import { decodeAcknowledgement } from "../../../src/netlink/codec/acknowledgement.ts";
import { decodeAddress } from "../../../src/netlink/codec/address.ts";
import { describeDatagram } from "../../../src/netlink/codec/describe.ts";
import { decodeFamily } from "../../../src/netlink/codec/genl.ts";
import { rtnlKinds } from "../../../src/netlink/codec/kinds.ts";
import { decodeLink } from "../../../src/netlink/codec/link.ts";
import type { NetlinkMessage } from "../../../src/netlink/codec/message.ts";
import { parseDatagram } from "../../../src/netlink/codec/message.ts";
import { PolicySet } from "../../../src/netlink/codec/policy.ts";
import { decodeRoute } from "../../../src/netlink/codec/route.ts";
import { bytes, captured, GOLDEN, outcome, TIMEOUT } from "./support.ts";

const DECODERS: Readonly<Record<string, (message: NetlinkMessage) => unknown>> = {
  decodeAcknowledgement,
  decodeFamily,
  addPolicy: (message) => new PolicySet().add(message),
  decodeLink,
  decodeAddress,
  decodeRoute,
  decodePeer,
  decodeKey,
  decodeNotification,
};

/** What every decoder makes of every message; throws when one throws anything but `protocol`. */
function decodeEverything(datagram: Uint8Array): unknown {
  // A trace never throws at all.
  const traces = [describeOvpn(datagram, GOLDEN.family), describeDatagram(datagram, rtnlKinds)];
  const parsed = outcome(() => parseDatagram(datagram));
  if ("code" in parsed) {
    expect(parsed.code).toBe("protocol");
    return { parsed, traces };
  }
  const results = parsed.value.map((message) =>
    Object.entries(DECODERS).map(([name, decode]) => {
      const result = outcome(() => decode(message));
      if ("code" in result && result.code !== "protocol") throw new Error(`${name}: ${result.code}`);
      return result;
    }),
  );
  return { results, traces };
}

/** The worked examples, and real answers of each kind. */
const NAMED_SEEDS: readonly (readonly [string, Buffer])[] = [
  ["new-link", GOLDEN.newLink],
  ["peer-new", GOLDEN.peerNew],
  ["key-new", GOLDEN.keyNew],
  ["a dump request", GOLDEN.peerDump],
  ["peer-del-ntf", GOLDEN.peerDelNtf],
  ["key-swap-ntf", GOLDEN.keySwapNtf],
  ["peer-float-ntf", GOLDEN.peerFloatNtf],
  // The same nests as answers to peer-get and key-get.
  ["an answer to peer-get", GOLDEN.peerNew.replace("0101000008000100", "0301000008000100")],
  ["an answer to key-get", GOLDEN.keyNew.replace("0601000008000100", "0701000008000100")],
  ...[
    "getfamily nlctrl",
    "getpolicy nlctrl",
    "ethtool nested, echoed",
    "netdev out of range",
    "newaddr v4 again",
    "getlink by name",
    "dumpaddr",
    "getroute v6",
    "newlink name too long",
  ].map((name) => [name, captured(name).answers.join("")] as const),
].map(([name, hex]) => [name, bytes(hex)] as const);
const SEEDS = NAMED_SEEDS.map(([, seed]) => seed);

// Most cases throw, and their stacks are what takes the time.
Error.stackTraceLimit = 0;

/** Values that lengths, types and flags go wrong with. */
const BAD_OCTETS = [0, 2, 3, 5, 8, 0x80, 0xff];

test("the seeds themselves are decoded by the decoder that they are for", () => {
  const decoded = new Set<string>();
  for (const seed of SEEDS) {
    for (const message of parseDatagram(seed)) {
      for (const [name, decode] of Object.entries(DECODERS)) {
        if ("value" in outcome(() => decode(message))) decoded.add(name);
      }
    }
  }
  expect([...decoded].sort()).toEqual(Object.keys(DECODERS).sort());
});

describe.each(NAMED_SEEDS)("%s", (_, seed) => {
  test("cut off at every length", { timeout: TIMEOUT }, () => {
    for (let length = 0; length < seed.length; length++) decodeEverything(seed.subarray(0, length));
  });

  test("cut off at every length, with a header that tells the truth about it", { timeout: TIMEOUT }, () => {
    for (let length = 16; length < seed.length; length++) {
      const cut = Buffer.from(seed.subarray(0, length));
      cut.writeUInt32LE(length, 0);
      decodeEverything(cut);
    }
  });

  test("with every octet spoilt", { timeout: TIMEOUT }, () => {
    const spoilt = Buffer.from(seed);
    for (let at = 0; at < seed.length; at++) {
      for (const octet of BAD_OCTETS) {
        spoilt[at] = octet;
        decodeEverything(spoilt);
      }
      spoilt[at] = seed[at] as number;
    }
  });
});

describe("random bytes", () => {
  test("as a datagram", { timeout: TIMEOUT }, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (datagram) => {
        decodeEverything(datagram);
      }),
      { numRuns: 500 },
    );
  });

  test("behind a true header of each type and command", { timeout: TIMEOUT }, () => {
    const type = fc.constantFrom(2, 3, 0x10, 16, 20, 24, GOLDEN.family);
    const command = fc.integer({ min: 0, max: 12 });
    fc.assert(
      fc.property(
        type,
        fc.integer({ min: 0, max: 0xffff }),
        command,
        fc.uint8Array({ maxLength: 80 }),
        (...all) => {
          const [kind, flags, genlCommand, payload] = all;
          const datagram = Buffer.alloc(20 + payload.length);
          datagram.writeUInt32LE(datagram.length, 0);
          datagram.writeUInt16LE(kind, 4);
          datagram.writeUInt16LE(flags, 6);
          datagram[16] = genlCommand;
          datagram.set(payload, 20);
          decodeEverything(datagram);
        },
      ),
      { numRuns: 1500 },
    );
  });

  test("as attributes with true lengths", { timeout: TIMEOUT }, () => {
    const attribute = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.uint8Array({ maxLength: 24 }));
    const type = fc.constantFrom(0x10, 16, 20, 24, GOLDEN.family);
    fc.assert(
      fc.property(
        type,
        fc.integer({ min: 0, max: 12 }),
        fc.array(attribute, { maxLength: 6 }),
        (kind, command, all) => {
          const header = { 16: 16, 20: 8, 24: 12 }[kind] ?? 4;
          const parts = all.map(([number, payload]) => {
            const part = Buffer.alloc(4 + Math.ceil(payload.length / 4) * 4);
            part.writeUInt16LE(4 + payload.length, 0);
            part.writeUInt16LE(number, 2);
            part.set(payload, 4);
            return part;
          });
          const datagram = Buffer.concat([Buffer.alloc(16 + header), ...parts]);
          datagram.writeUInt32LE(datagram.length, 0);
          datagram.writeUInt16LE(kind, 4);
          datagram[16] = command;
          decodeEverything(datagram);
        },
      ),
      { numRuns: 1500 },
    );
  });
});

describe("nothing outside of a message is read", () => {
  const surroundings = [0x00, 0x04, 0x08, 0xff];

  /** The result with `fill` before and behind the datagram in memory. */
  function within(datagram: Uint8Array, fill: number): unknown {
    const memory = Buffer.alloc(datagram.length + 64, fill);
    memory.set(datagram, 32);
    return decodeEverything(memory.subarray(32, 32 + datagram.length));
  }

  test("whatever stands around the datagram in memory, also when it is spoilt", { timeout: TIMEOUT }, () => {
    const pick = fc.record({
      seed: fc.constantFrom(...SEEDS.filter((seed) => seed.length < 2000)),
      at: fc.nat(2000),
      octet: fc.constantFrom(...BAD_OCTETS),
    });
    fc.assert(
      fc.property(pick, ({ seed, at, octet }) => {
        const spoilt = Buffer.from(seed);
        spoilt[at % seed.length] = octet;
        const [first, ...others] = surroundings.map((fill) => within(spoilt, fill));
        for (const other of others) expect(other).toEqual(first);
      }),
      { numRuns: 300 },
    );
  });

  test("whatever the next message in the datagram holds", { timeout: TIMEOUT }, () => {
    for (const seed of SEEDS) {
      const [first] = parseDatagram(seed);
      const length = (first?.end ?? 0) + (-(first?.end ?? 0) & 3);
      for (let at = 16; at < length; at++) {
        const one = Buffer.from(seed.subarray(0, length));
        one[at] = 0xff;
        const results = surroundings.map((fill) => {
          const next = Buffer.alloc(64, fill);
          next.writeUInt32LE(64, 0);
          const [message] = parseDatagram(Buffer.concat([one, next]));
          return Object.values(DECODERS).map((decode) => outcome(() => decode(message as NetlinkMessage)));
        });
        for (const other of results) expect(other).toEqual(results[0]);
      }
    }
  });
});
