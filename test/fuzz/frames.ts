/**
 * TCP streams in pieces: whole frames, broken ones, noise.
 */
import assert from "node:assert/strict";
import { FrameReader } from "../../src/userspace/frames.ts";
import type { Random } from "./random.ts";

/** Longest frame and its length. */
const MOST_HELD = 2 + 0xffff;

/** Returns what tries a number of pieces. */
export function fuzzFrames(random: Random): (count: number) => void {
  let reader = new FrameReader();
  let held = 0;
  const frame = () => {
    const packet = random.bytes(1 + random.below(300));
    return Buffer.concat([Buffer.of(packet.length >> 8, packet.length & 255), packet]);
  };
  return (count) => {
    for (let n = 0; n < count; n++) {
      const whole = random.pick([frame, frame, frame, () => random.bytes(random.below(50))])();
      const piece = random.below(3) === 0 ? whole.subarray(0, random.below(whole.length + 1)) : whole;
      held += piece.length;
      const good = reader.read(piece, (packet) => {
        assert.ok(packet.length > 0 && packet.length <= 0xffff);
        held -= 2 + packet.length;
        return true;
      });
      if (good) assert.ok(held >= 0 && held <= MOST_HELD, `${held} bytes are held`);
      else {
        // The connection is closed.
        reader = new FrameReader();
        held = 0;
      }
    }
  };
}
