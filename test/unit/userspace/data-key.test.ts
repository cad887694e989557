import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inRoot } from "../../../ci/paths.ts";
import { CIPHERS, type CipherName } from "../../../src/core/model.ts";
import { DataKey } from "../../../src/userspace/data/data-key.ts";
import {
  headerWord,
  isPing,
  keyIdOf,
  LAST_PACKET_ID,
  OVERHEAD,
  opcodeOf,
  PING,
  peerIdOf,
} from "../../../src/userspace/data/packet.ts";
import { keyPair } from "./support.ts";

interface Vector {
  readonly cipher: CipherName;
  readonly key: string;
  readonly nonceTail: string;
  readonly keyId: number;
  readonly peerId: number;
  readonly packetId: number;
  readonly payload: string;
  readonly packet: string;
}

const { vectors } = JSON.parse(readFileSync(inRoot("test", "vectors", "data-v2.json"), "utf8")) as {
  vectors: Vector[];
};

const hex = (text: string) => Buffer.from(text, "hex");

function keyOf({ cipher, key, nonceTail, keyId, packetId }: Vector): DataKey {
  const [bytes, tail] = [hex(key), hex(nonceTail)];
  const both = { encryptKey: bytes, encryptNonceTail: tail, decryptKey: bytes, decryptNonceTail: tail };
  return new DataKey({ slot: "primary", id: keyId, cipher, ...both }, packetId);
}

/** A sender and a receiver. */
function pair(cipher?: CipherName, firstPacketId?: number): [DataKey, DataKey] {
  const [one, other] = keyPair(1, cipher && { cipher });
  return [new DataKey(one, firstPacketId), new DataKey(other)];
}

describe("DATA_V2 packets are those of an independent implementation", () => {
  test("there are some of every cipher", () => {
    expect(new Set(vectors.map(({ cipher }) => cipher))).toEqual(new Set(CIPHERS));
  });

  test.each(
    vectors.map((vector) => [`${vector.cipher}, ${vector.payload.length / 2} bytes`, vector] as const),
  )("%s", (_, vector) => {
    const packet = hex(vector.packet);
    expect(keyOf(vector).seal(hex(vector.payload), vector.peerId, 0)?.toString("hex")).toBe(vector.packet);
    expect(keyOf(vector).open(packet, 0)).toEqual(hex(vector.payload));
    expect(packet.toString("hex"), "it is left as it is").toBe(vector.packet);
    expect([opcodeOf(packet), keyIdOf(packet), peerIdOf(packet)]).toEqual([9, vector.keyId, vector.peerId]);
    expect(packet.readUInt32BE()).toBe(headerWord(vector.keyId, vector.peerId));
  });

  test("the ping of the second vector is the ping", () => {
    expect(isPing(hex(vectors[1]?.payload ?? ""))).toBe(true);
    expect(isPing(PING.subarray(1))).toBe(false);
    expect(isPing(Uint8Array.from(PING).with(15, 0))).toBe(false);
  });
});

describe.each(CIPHERS)("%s", (cipher) => {
  test("what is sealed is opened, with room in front, whatever it is", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 2000 }),
        fc.integer({ min: 0, max: 0xffffff }),
        fc.integer({ min: 0, max: 8 }),
        (payload, peerId, room) => {
          const [sender, receiver] = pair(cipher);
          const packet = sender.seal(payload, peerId, room)?.subarray(room);
          expect(packet).toHaveLength(payload.length + OVERHEAD);
          expect(receiver.open(packet as Buffer, 0)).toEqual(Buffer.from(payload));
        },
      ),
    );
  });

  test("what was changed, cut or lengthened is not opened, and moves no window", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom("change", "cut", "lengthen"),
        (payload, where, change, how) => {
          const [sender, receiver] = pair(cipher);
          const packet = sender.seal(payload, 7, 0) as Buffer;
          const at = where % packet.length;
          const bad =
            how === "cut"
              ? packet.subarray(0, at)
              : how === "lengthen"
                ? Buffer.concat([packet, Buffer.alloc(change, at)])
                : Buffer.from(packet.with(at, (packet[at] as number) ^ change));
          expect(["malformed", "authentication"]).toContain(receiver.open(bad, 0));
          expect(receiver.open(packet, 0)).toEqual(Buffer.from(payload));
        },
      ),
    );
  });

  test("bytes of a stranger are not opened, and throw nothing", () => {
    const [, receiver] = pair(cipher);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(["malformed", "authentication"]).toContain(receiver.open(Buffer.from(bytes), 0));
      }),
    );
  });
});

test("a packet is opened once", () => {
  const [sender, receiver] = pair();
  const packet = sender.seal(Buffer.from("once"), 1, 0) as Buffer;
  expect(receiver.open(packet, 0)).toEqual(Buffer.from("once"));
  expect(receiver.open(packet, 0)).toBe("replay");
});

test("packet ids begin with 1 and end with the last of 32 bits; then nothing is sealed, ever", () => {
  const [first] = pair();
  expect(first.seal(PING, 1, 0)?.readUInt32BE(4)).toBe(1);
  expect(first.seal(PING, 1, 0)?.readUInt32BE(4)).toBe(2);
  const [sender, receiver] = pair(undefined, LAST_PACKET_ID - 1);
  for (const id of [LAST_PACKET_ID - 1, LAST_PACKET_ID]) {
    const packet = sender.seal(PING, 1, 0) as Buffer;
    expect(packet.readUInt32BE(4)).toBe(id);
    expect(receiver.open(packet, 0)).toEqual(Buffer.from(PING));
  }
  for (let more = 0; more < 3; more++) expect(sender.seal(PING, 1, 0)).toBeUndefined();
});

test("a destroyed key seals nothing and opens nothing", () => {
  const [sender, receiver] = pair();
  const packet = sender.seal(PING, 1, 0) as Buffer;
  sender.destroy();
  receiver.destroy();
  expect(sender.seal(PING, 1, 0)).toBeUndefined();
  expect(receiver.open(packet, 0)).toBe("authentication");
});

test("no byte of the key can be seen in the object", () => {
  const [request] = keyPair();
  const seen = JSON.stringify(new DataKey(request));
  expect(seen).toBe(JSON.stringify({ id: 0, cipher: "aes-256-gcm" }));
});
