/**
 * Packets for the data plane: true ones, changed ones, repeated ones, and noise.
 */
import assert from "node:assert/strict";
import { CIPHERS } from "../../src/core/model.ts";
import { inner, ip, keyPair, TestClock, TestPlane } from "../unit/userspace/support.ts";
import type { Random } from "./random.ts";

const server = new TestPlane("multipeer", new TestClock());

/** What the server has dropped so far, by reason. */
export function dropped(): object {
  return { ...server.plane.drops };
}

/** Returns what tries a number of packets. */
export function fuzzData(random: Random): (count: number) => void {
  const clients = CIPHERS.map((cipher, at) => {
    const client = new TestPlane("p2p");
    client.add(at + 1);
    server.add(at + 1, { vpn4: ip(`10.8.0.${at + 2}`) });
    const [forServer, forClient] = keyPair(at, { cipher });
    server.plane.installKey(at + 1, forServer);
    client.plane.installKey(at + 1, forClient);
    return { client, address: `10.8.0.${at + 2}` };
  });
  const earlier: Buffer[] = [];
  const fresh = () => {
    const { client, address } = random.pick(clients);
    const source = random.below(10) === 0 ? "10.8.0.99" : address;
    client.plane.transmit(inner(source, "10.8.0.1", 20 + random.below(1400)));
    const [packet] = client.take() as [Buffer];
    if (earlier.length < 1000) earlier.push(packet);
    else earlier[random.below(1000)] = packet;
    return packet;
  };
  const kinds: (() => Buffer)[] = [
    fresh,
    () => random.pick(earlier) ?? fresh(),
    () => random.bytes(random.below(200)),
    () =>
      Buffer.concat([
        Buffer.of((9 << 3) | random.below(8), 0, 0, random.below(7)),
        random.bytes(random.below(100)),
      ]),
    () => {
      const packet = Buffer.from(fresh());
      for (let changes = 1 + random.below(3); changes > 0; changes--)
        packet[random.below(packet.length)] = random.below(256);
      return packet;
    },
    () => {
      const packet = fresh();
      return packet.subarray(0, random.below(packet.length));
    },
    () => Buffer.concat([fresh(), random.bytes(1 + random.below(20))]),
  ];
  let total = settled();
  return (count) => {
    for (let n = 0; n < count; n++) {
      const packet = random.pick(kinds)();
      try {
        server.receive(packet, `192.0.2.${random.below(3)}`, 5000 + random.below(3));
        total++;
        assert.equal(settled(), total, "neither delivered nor counted");
      } catch (error) {
        (error as Error).message += ` (input ${packet.toString("hex")})`;
        throw error;
      }
    }
    delivered += server.delivered.splice(0).length;
    server.events.splice(0);
  };
}

let delivered = 0;

/** Packets that have ended, one way or another. */
function settled(): number {
  let sum = delivered + server.delivered.length;
  for (const count of Object.values(server.plane.drops)) sum += count as number;
  return sum;
}
