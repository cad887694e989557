/**
 * What a program writes into the tunnel: IP packets and what only looks like them.
 */
import assert from "node:assert/strict";
import { inner, tunnel } from "../unit/userspace/support.ts";
import type { Random } from "./random.ts";

/** Returns what tries a number of packets. */
export function fuzzStream(random: Random): (count: number) => void {
  const { server, client } = tunnel();
  const kinds: (() => Buffer)[] = [
    () => inner("10.8.0.1", `10.8.0.${random.below(5)}`, 20 + random.below(1400)),
    () => inner("fd00:8::1", `fd00:8::${random.below(5)}`, 40 + random.below(1400)),
    () => random.bytes(random.below(100)),
    () => Buffer.concat([Buffer.of(random.pick([0x45, 0x4f, 0x60, 0x6f])), random.bytes(random.below(60))]),
  ];
  const settled = () => {
    const { invalid, noPeer } = server.plane.drops;
    return invalid + noPeer + Number(server.counters(1).link?.txPackets);
  };
  let total = settled();
  return (count) => {
    for (let n = 0; n < count; n++) {
      server.plane.transmit(random.pick(kinds)());
      total++;
      assert.equal(settled(), total, "neither sent nor counted");
    }
    for (const packet of server.take()) client.receive(packet, "192.0.2.1", 1194);
    client.delivered.splice(0);
  };
}
