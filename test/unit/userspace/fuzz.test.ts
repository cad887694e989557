/**
 * A short run of test/fuzz; the long one is `npm run fuzz`.
 */
import { expect, test } from "vitest";
import { dropped, fuzzData } from "../../fuzz/data.ts";
import { fuzzFrames } from "../../fuzz/frames.ts";
import { Random } from "../../fuzz/random.ts";
import { fuzzStream } from "../../fuzz/stream.ts";

const SEED = Date.now() % 2 ** 31;

test(`packets, streams and writes at random end as something, seed ${SEED}`, () => {
  fuzzData(new Random(SEED))(5000);
  fuzzFrames(new Random(SEED))(5000);
  fuzzStream(new Random(SEED))(5000);
  // The inputs are of all kinds.
  expect(dropped()).toMatchObject({
    malformed: expect.toSatisfy((count: number) => count > 0),
    authentication: expect.toSatisfy((count: number) => count > 0),
    replay: expect.toSatisfy((count: number) => count > 0),
    unknownPeer: expect.toSatisfy((count: number) => count > 0),
    noKey: expect.toSatisfy((count: number) => count > 0),
    source: expect.toSatisfy((count: number) => count > 0),
  });
});

test("the same seed gives the same numbers", () => {
  const numbers = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 50 }, () => random.below(1000));
  };
  expect(numbers(1)).toEqual(numbers(1));
  expect(numbers(1)).not.toEqual(numbers(2));
  expect(new Set(numbers(1)).size).toBeGreaterThan(40);
});
